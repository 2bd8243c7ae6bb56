/** Hosts the coordinator machine: feeds it what happens, stores what it decides, and only then tells anybody. */
import type { CoordinatorEffect, CoordinatorInput, CoordinatorState } from '#shared/coordination/coordinator-state.ts'
import { step } from '#shared/coordination/coordinator.ts'
import { noteOutcomes, type Curriculum, type CurriculumRules } from '#shared/coordination/curriculum.ts'
import { buildFeed, durationSeconds, ledgerPeer, noteStep, noteTokens, noteVerdict, showRollout, type RunLedger } from '#shared/coordination/run-ledger.ts'
import type { SampleKey } from '#shared/coordination/lease-table.ts'
import type { Lease } from '#shared/protocol/lease.ts'
import type { PeerStatus } from '#shared/protocol/peer-status.ts'
import { refuse } from '#shared/protocol/refusal.ts'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import type { PeerSubmits } from '#shared/protocol/trainer-messages.ts'
import type { SubmissionAnswer } from '#shared/protocol/volunteer-messages.ts'
import type { LearnerStepMetrics, RolloutGroup } from '../learner/learner.ts'
import type { RolloutChange, RunDatabase, RunSnapshot, StepRecord } from '../store/run-database.ts'
import type { Judgement, JudgementRequest } from '../verifier/judgement.ts'
import { grantedLease } from './granted-lease.ts'
import { JudgementQueue } from './judgement-queue.ts'
import { shownMetrics } from './learner-metrics.ts'
import type { RolloutBook } from './rollout-book.ts'
import type { RunTerms } from './run-terms.ts'
import { SubmissionDesk } from './submission.ts'

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

export class RunHost {
  readonly #parts: RunParts
  readonly #desk = new SubmissionDesk()
  readonly #judgements: JudgementQueue
  #learning: Promise<void> = Promise.resolve()
  #wake: NodeJS.Timeout | undefined

  constructor(parts: RunParts) {
    this.#parts = parts
    const { state, terms, book, manifestHashes, ports } = parts
    this.#judgements = new JudgementQueue({ state, terms, book, desk: this.#desk, manifestHashes, judge: ports.judge, judged: inputs => this.#turn(inputs), failed: ports.failed })
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
    this.#judgements.close()
    clearTimeout(this.#wake)
    this.#desk.refuseAll()
    this.#parts.database.record({ snapshot: this.snapshot() })
  }

  #turn(inputs: readonly CoordinatorInput[], done?: StepRecord): void {
    const nowMs = this.#parts.ports.now()
    const effects = step(this.state, inputs, { nowMs })
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
    this.#judgements.begin()
  }

  #carryOut(effect: CoordinatorEffect): void {
    switch (effect.kind) {
      case 'lease_granted':
        this.#grant(effect)
        return
      case 'judge': {
        const submission = this.#desk.get(effect.ticket)
        const id = idOf(effect.rollout)
        noteTokens(this.ledger, effect.peer, submission.rollouts.get(id)!.tokens.length, this.#parts.ports.now())
        this.#judgements.add({ ticket: effect.ticket, id, rollout: effect.rollout })
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

  #grant(effect: Extract<CoordinatorEffect, { kind: 'lease_granted' }>): void {
    const { terms, book, manifestHashes, ports } = this.#parts
    ports.grant(effect.peer, grantedLease(effect, terms, book, manifestHashes))
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
