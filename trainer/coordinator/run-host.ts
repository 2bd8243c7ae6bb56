/** Hosts the coordinator machine: feeds it what happens, stores what it decides, and only then tells anybody. */
import type { CoordinatorEffect, CoordinatorInput, CoordinatorState, DueTurn } from '#shared/coordination/coordinator-state.ts'
import { step } from '#shared/coordination/coordinator.ts'
import { noteOutcomes, type Curriculum, type CurriculumRules } from '#shared/coordination/curriculum.ts'
import { findSample, isDue } from '#shared/coordination/delivery.ts'
import { buildFeed, durationSeconds, ledgerPeer, noteStep, noteTokens, noteVerdict, showRollout, type RunLedger } from '#shared/coordination/run-ledger.ts'
import type { SampleKey, TurnKey } from '#shared/coordination/lease-table.ts'
import { isTooOld } from '#shared/coordination/usable-versions.ts'
import type { Lease, LeasedPrompt } from '#shared/protocol/lease.ts'
import type { PeerStatus } from '#shared/protocol/peer-status.ts'
import { refuse } from '#shared/protocol/refusal.ts'
import type { Rollout } from '#shared/protocol/rollout.ts'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import type { PeerSubmits } from '#shared/protocol/trainer-messages.ts'
import type { SubmissionAnswer } from '#shared/protocol/volunteer-messages.ts'
import { rolloutSeed } from '#shared/verification/committed-randomness.ts'
import { checkRollout } from '#shared/verification/rollout-check.ts'
import type { LearnerStepMetrics, RolloutGroup } from '../learner/learner.ts'
import type { RolloutChange, RunDatabase, RunSnapshot, StepRecord } from '../store/run-database.ts'
import type { Judgement, JudgementRequest } from '../verifier/judgement.ts'
import { shownMetrics } from './learner-metrics.ts'
import type { RolloutBook } from './rollout-book.ts'
import { SubmissionDesk, type Submission } from './submission.ts'

export interface RunTerms {
  readonly run: string
  readonly runSecret: Uint8Array
  readonly maxTokens: number
  readonly vocabSize: number
  readonly eosTokenIds: readonly number[]
}

/** What the host asks of the world. */
export interface RunPorts {
  readonly now: () => number
  readonly grant: (peer: string, lease: Lease) => void
  /** One call at a time. */
  readonly judge: (requests: readonly JudgementRequest[]) => Promise<Judgement[]>
  /** Learns, checkpoints and signs; then the new version may be announced. */
  readonly learn: (version: number, groups: readonly RolloutGroup[]) => Promise<LearnerStepMetrics>
  /** The step that published `version` is stored. */
  readonly learnt: (version: number) => void
  /** Text of tokens, for people. */
  readonly decodeText: (tokens: readonly number[]) => string
  /** A bug or a broken part: the run cannot go on. */
  readonly failed: (error: unknown) => void
}

export interface RunParts {
  readonly state: CoordinatorState
  readonly ledger: RunLedger
  readonly terms: RunTerms
  readonly book: RolloutBook
  readonly curriculum: Curriculum
  /** Null: there is one level. */
  readonly curriculumRules: CurriculumRules | null
  readonly database: RunDatabase
  /** Of every version that may still be sampled with. */
  readonly manifestHashes: ReadonlyMap<number, string>
  readonly ports: RunPorts
}

type Learn = Extract<CoordinatorEffect, { kind: 'learn' }>
type Granted = Extract<CoordinatorEffect, { kind: 'lease_granted' }>

/** Most rollouts in one trusted prefill, so that verdicts of the first do not wait for the last. */
const JUDGED_AT_ONCE = 256

export class RunHost {
  readonly #parts: RunParts
  readonly #desk = new SubmissionDesk()
  #toJudge: { readonly ticket: number; readonly id: string; readonly rollout: DueTurn }[] = []
  #judging = false
  #learning: Promise<void> = Promise.resolve()
  #wake: NodeJS.Timeout | undefined
  #closed = false

  constructor(parts: RunParts) {
    this.#parts = parts
  }

  get state(): CoordinatorState {
    return this.#parts.state
  }

  get ledger(): RunLedger {
    return this.#parts.ledger
  }

  /** Resolves when no learner step is under way. */
  get learning(): Promise<void> {
    return this.#learning
  }

  input(...inputs: readonly CoordinatorInput[]): void {
    this.#turn(inputs)
  }

  peerIsPresent(peer: string, present: boolean): void {
    ledgerPeer(this.ledger, peer).present = present
    this.#turn([{ kind: present ? 'peer_joined' : 'peer_left', peer }])
  }

  peersUnknown(): void {
    for (const peer of Object.values(this.ledger.peers)) peer.present = false
    this.#turn([{ kind: 'peers_unknown' }])
  }

  peerStatus(peer: string, status: PeerStatus): void {
    Object.assign(ledgerPeer(this.ledger, peer), { status, present: true })
  }

  feed(): RunFeed {
    return buildFeed(this.ledger, this.state, this.#parts.ports.now())
  }

  snapshot(): RunSnapshot {
    const now = this.#parts.ports.now()
    return { coordinator: this.state, curriculum: this.#parts.curriculum, ledger: { ...this.ledger, earlierSeconds: durationSeconds(this.ledger, now), startedMs: now } }
  }

  submitted(request: PeerSubmits): Promise<SubmissionAnswer> {
    const { run } = this.#parts.terms
    if (request.submission.run !== run) return Promise.resolve(refuse('unknown_run', `this trainer runs ${run}`))
    const { submission, answered } = this.#desk.open(request, this.#parts.ports.now())
    const { ticket, peer, lease, rollouts } = submission
    const deliveries = [...rollouts.values()].map(({ prompt, index, turn = 0, version }) => ({ prompt, index, turn, version }))
    this.#turn([{ kind: 'rollouts_received', ticket, peer, lease, rollouts: deliveries }])
    return answered
  }

  /** No more verdicts, leases or steps; what is stored is complete. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#wake)
    this.#desk.refuseAll()
    this.#parts.database.record({ snapshot: this.snapshot() })
  }

  #turn(inputs: readonly CoordinatorInput[], done?: StepRecord): void {
    const nowMs = this.#parts.ports.now()
    const effects = inputs.flatMap(input => step(this.state, input, { nowMs }))
    const changes: RolloutChange[] = []
    for (const effect of effects) {
      if (effect.kind === 'answered') changes.push(...this.#settle(effect))
      if (effect.kind !== 'rollout_outdated') continue
      this.#parts.book.forget(effect.rollout)
      changes.push({ kind: 'outdated', id: idOf(effect.rollout) })
    }
    if (changes.length > 0 || done !== undefined) this.#parts.database.record({ changes, step: done, snapshot: this.snapshot() })
    this.#desk.answerComplete()
    for (const effect of effects) this.#carryOut(effect)
    this.#judgeWaiting()
  }

  #carryOut(effect: CoordinatorEffect): void {
    switch (effect.kind) {
      case 'lease_granted':
        this.#parts.ports.grant(effect.peer, this.#lease(effect))
        return
      case 'judge': {
        const submission = this.#desk.get(effect.ticket)
        const id = idOf(effect.rollout)
        noteTokens(this.ledger, effect.peer, submission.rollouts.get(id)!.tokens.length, this.#parts.ports.now())
        this.#toJudge.push({ ticket: effect.ticket, id, rollout: effect.rollout })
        return
      }
      case 'learn':
        this.#learning = this.#learn(effect).catch(this.#parts.ports.failed)
        return
      case 'wake_at':
        clearTimeout(this.#wake)
        this.#wake = setTimeout(() => this.#turn([{ kind: 'deadline_reached' }]), Math.max(0, effect.atMs - this.#parts.ports.now()))
        return
      case 'answered':
      case 'rollout_outdated':
      case 'lease_ended':
    }
  }

  #lease({ lease, version, samples, durationMs }: Granted): Lease {
    const { terms, manifestHashes } = this.#parts
    const manifestHash = manifestHashes.get(version)
    if (manifestHash === undefined) throw new Error(`version ${version} was leased, but has no manifest`)
    return {
      id: lease,
      run: terms.run,
      version,
      manifestHash,
      prompts: this.#leasedPrompts(samples),
      maxTokens: terms.maxTokens,
      durationMs
    }
  }

  /** First turns of one prompt follow the same tokens; each later turn follows its own. */
  #leasedPrompts(turns: readonly TurnKey[]): LeasedPrompt[] {
    const { terms, book } = this.#parts
    const together = new Map<string, LeasedPrompt>()
    for (const key of turns) {
      const { prompt, index, turn } = key
      const name = turn === 0 ? String(prompt) : idOf(key)
      const { tokens, position } = book.context(key)
      const leased = together.get(name) ?? { prompt, tokens: [...tokens], samples: [] }
      leased.samples.push({ index, seed: rolloutSeed(terms.runSecret, prompt, index), ...(turn > 0 && { turn, position }) })
      together.set(name, leased)
    }
    return [...together.values()]
  }

  /** Books a verdict. @returns the row to store, unless the verdict only repeats one */
  #settle({ ticket, peer, rollout, verdict, first }: Extract<CoordinatorEffect, { kind: 'answered' }>): RolloutChange[] {
    const submission = this.#desk.get(ticket)
    submission.verdicts.push(verdict)
    if (!first) return []
    const id = idOf(rollout)
    const { tokens } = submission.rollouts.get(id)!
    const judgement = submission.judgements.get(id)
    const reward = verdict.outcome === 'accepted' ? verdict.reward : null
    const reason = verdict.outcome === 'rejected' ? verdict.reason : null
    const { prompt, completion } = this.#texts(rollout, tokens, judgement)
    const behaviourLogProbs = judgement?.outcome === 'accepted' ? [...judgement.behaviourLogProbs] : null
    const accepted = reward !== null && behaviourLogProbs !== null
    const episode = accepted ? this.#parts.book.accept(rollout, tokens, behaviourLogProbs) : this.#parts.book.episode(rollout)
    noteVerdict(this.ledger, peer, verdict.outcome)
    // Of a rollout that goes on there is more to see later.
    if (!accepted || episode.end !== null) {
      const earlier = episode.turns.slice(0, rollout.turn).map(({ shown, said }) => ({ prompt: shown, completion: said }))
      const record = accepted ? this.#parts.book.record(rollout) : undefined
      showRollout(this.ledger, { id, peer, version: rollout.version, ...(earlier.length > 0 && { earlier }), prompt, completion, ...(record !== undefined && { record }), outcome: verdict.outcome, reward, reason })
    }
    const turn = { ...rollout, id, peer, tokens, behaviourLogProbs, promptText: prompt, completionText: completion, outcome: verdict.outcome, reason, reward, receivedMs: submission.receivedMs }
    return [{ kind: 'judged', turn }]
  }

  #texts(rollout: SampleKey & { readonly turn: number }, tokens: readonly number[], judgement: Judgement | undefined): { prompt: string; completion: string } {
    if (judgement !== undefined) return { prompt: judgement.prompt, completion: judgement.completion }
    const { turns, shown } = this.#parts.book.episode(rollout)
    const readable = tokens.every(token => token < this.#parts.terms.vocabSize)
    return { prompt: turns[rollout.turn]?.shown ?? shown, completion: readable ? this.#parts.ports.decodeText(tokens) : '' }
  }

  #judgeWaiting(): void {
    if (this.#judging || this.#toJudge.length === 0) return
    this.#judgeAll().catch(this.#parts.ports.failed)
  }

  /** `#judging` falls in the same turn in which the last batch is found, so that nothing can be left waiting in between. */
  async #judgeAll(): Promise<void> {
    this.#judging = true
    while (this.#toJudge.length > 0) {
      const batch = this.#toJudge.slice(0, JUDGED_AT_ONCE)
      this.#toJudge = this.#toJudge.slice(JUDGED_AT_ONCE)
      const known = batch.map(({ ticket, id, rollout }) => this.#judgeForm(this.#desk.get(ticket).rollouts.get(id)!, rollout))
      const unknown = batch.filter((_, index) => known[index] === undefined)
      const requests = unknown.map(({ ticket, id, rollout }) => this.#judgementRequest(this.#desk.get(ticket).rollouts.get(id)!, rollout))
      const judgements = requests.length === 0 ? [] : await this.#parts.ports.judge(requests)
      if (this.#closed) return
      for (const [index, { ticket, id }] of unknown.entries()) this.#desk.get(ticket).judgements.set(id, judgements[index]!)
      this.#turn(batch.map(({ ticket, id, rollout }, index) => judgedInput(this.#desk.get(ticket), id, rollout, known[index])))
    }
    this.#judging = false
  }

  /** @returns undefined when the model has to say */
  #judgeForm(rollout: Rollout, due: DueTurn): CoordinatorJudgement | undefined {
    if (isTooOld(this.state, rollout.version)) return { kind: 'too_late' }
    // The rollout went on, or begins anew: what a later turn followed may be gone.
    if (due.turn > 0 && !isDue(findSample(this.state, due), due)) return { kind: 'too_late' }
    const { terms, manifestHashes } = this.#parts
    const seed = rolloutSeed(terms.runSecret, rollout.prompt, rollout.index)
    const reason = checkRollout(rollout, { ...terms, manifestHash: manifestHashes.get(rollout.version) ?? '', seed })
    return reason === undefined ? undefined : { kind: 'rejected', reason }
  }

  #judgementRequest(rollout: Rollout, due: DueTurn): JudgementRequest {
    const { book } = this.#parts
    return { rollout, task: book.task(due.prompt), actions: due.turn === 0 ? [] : book.episode(due).actions }
  }

  async #learn({ version, groups }: Learn): Promise<void> {
    const { ports, book } = this.#parts
    const samples = groups.flatMap(group => group.samples)
    const batch = groups.map(group => group.samples.map(sample => book.finished(sample)))
    const startedMs = ports.now()
    const metrics = await ports.learn(version, batch)
    const stepSeconds = (ports.now() - startedMs) / 1000
    this.#raiseOrLower(samples)
    const shown = shownMetrics(metrics, { version: version + 1, lags: samples.map(({ lag }) => lag), stepSeconds, ...(this.#parts.curriculumRules && { level: this.#parts.curriculum.level }) })
    noteStep(this.ledger, shown, metrics.tokens)
    for (const sample of samples) book.forget(sample)
    this.#turn([{ kind: 'policy_published', version: version + 1 }], { version, learnt: samples.map(idOf), metrics: { shown, learner: metrics } })
    ports.learnt(version + 1)
  }

  /** The level of prompts that are not given out yet, by the successes of those that were learnt from. */
  #raiseOrLower(samples: readonly SampleKey[]): void {
    const { book, curriculum, curriculumRules } = this.#parts
    if (curriculumRules === null) return
    const outcomes = samples.map(sample => ({ prompt: sample.prompt, success: book.episode(sample).success }))
    noteOutcomes(curriculum, curriculumRules, outcomes, this.state.nextPrompt)
  }
}

function idOf({ prompt, index }: SampleKey): string {
  return `${prompt}/${index}`
}

type CoordinatorJudgement = Extract<CoordinatorInput, { kind: 'rollout_judged' }>['judgement']

function judgedInput({ ticket, peer, judgements }: Submission, id: string, rollout: DueTurn, known: CoordinatorJudgement | undefined): CoordinatorInput {
  return { kind: 'rollout_judged', ticket, peer, rollout, judgement: known ?? asInput(judgements.get(id)!) }
}

function asInput(judgement: Judgement): CoordinatorJudgement {
  return judgement.outcome === 'accepted' ? { kind: 'accepted', reward: judgement.reward, done: judgement.done } : { kind: 'rejected', reason: judgement.reason }
}
