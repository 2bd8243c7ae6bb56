/** Turns that wait for a verdict: some are judged by their form alone, the others by the model, a batch at a time. */
import type { CoordinatorInput, CoordinatorState, DueTurn } from '#shared/coordination/coordinator-state.ts'
import { findSample, isDue } from '#shared/coordination/delivery.ts'
import { isTooOld } from '#shared/coordination/usable-versions.ts'
import type { Rollout } from '#shared/protocol/rollout.ts'
import { rolloutSeed } from '#shared/verification/committed-randomness.ts'
import { checkRollout } from '#shared/verification/rollout-check.ts'
import type { Judgement, JudgementRequest } from '../verifier/judgement.ts'
import type { RolloutBook } from './rollout-book.ts'
import type { RunTerms } from './run-terms.ts'
import type { Submission, SubmissionDesk } from './submission.ts'

export interface WaitingTurn {
  readonly ticket: number
  /** Of the rollout. */
  readonly id: string
  readonly rollout: DueTurn
}

export interface JudgementQueueParts {
  readonly state: CoordinatorState
  readonly terms: RunTerms
  readonly book: RolloutBook
  readonly desk: SubmissionDesk
  readonly manifestHashes: ReadonlyMap<number, string>
  /** One call at a time. */
  readonly judge: (requests: readonly JudgementRequest[]) => Promise<Judgement[]>
  readonly judged: (inputs: readonly CoordinatorInput[]) => void
  readonly failed: (error: unknown) => void
}

type CoordinatorJudgement = Extract<CoordinatorInput, { kind: 'rollout_judged' }>['judgement']

/** Most rollouts in one trusted prefill, so that verdicts of the first do not wait for the last. */
const JUDGED_AT_ONCE = 256

export class JudgementQueue {
  readonly #parts: JudgementQueueParts
  #waiting: WaitingTurn[] = []
  #judging = false
  #closed = false

  constructor(parts: JudgementQueueParts) {
    this.#parts = parts
  }

  add(turn: WaitingTurn): void {
    this.#waiting.push(turn)
  }

  /** Begins with what waits, unless that is under way. */
  begin(): void {
    if (this.#judging || this.#waiting.length === 0) return
    this.#judgeAll().catch(this.#parts.failed)
  }

  /** No more verdicts. */
  close(): void {
    this.#closed = true
  }

  /** `#judging` falls in the same turn in which the last batch is found, so that nothing can be left waiting in between. */
  async #judgeAll(): Promise<void> {
    const { desk, judge, judged } = this.#parts
    this.#judging = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, JUDGED_AT_ONCE)
      this.#waiting = this.#waiting.slice(JUDGED_AT_ONCE)
      const known = batch.map(({ ticket, id, rollout }) => this.#judgeForm(desk.get(ticket).rollouts.get(id)!, rollout))
      const unknown = batch.filter((_, index) => known[index] === undefined)
      const requests = unknown.map(({ ticket, id, rollout }) => this.#request(desk.get(ticket).rollouts.get(id)!, rollout))
      const judgements = requests.length === 0 ? [] : await judge(requests)
      if (this.#closed) return
      for (const [index, { ticket, id }] of unknown.entries()) desk.get(ticket).judgements.set(id, judgements[index]!)
      judged(batch.map(({ ticket, id, rollout }, index) => judgedInput(desk.get(ticket), id, rollout, known[index])))
    }
    this.#judging = false
  }

  /** @returns undefined when the model has to say */
  #judgeForm(rollout: Rollout, due: DueTurn): CoordinatorJudgement | undefined {
    const { state, terms, manifestHashes } = this.#parts
    if (isTooOld(state, rollout.version)) return { kind: 'too_late' }
    // The rollout went on, or begins anew: what a later turn followed may be gone.
    if (due.turn > 0 && !isDue(findSample(state, due), due)) return { kind: 'too_late' }
    const seed = rolloutSeed(terms.runSecret, rollout.prompt, rollout.index)
    const reason = checkRollout(rollout, { ...terms, manifestHash: manifestHashes.get(rollout.version) ?? '', seed })
    return reason === undefined ? undefined : { kind: 'rejected', reason }
  }

  #request(rollout: Rollout, due: DueTurn): JudgementRequest {
    const { book } = this.#parts
    return { rollout, task: book.task(due.prompt), actions: due.turn === 0 ? [] : book.episode(due).actions }
  }
}

function judgedInput({ ticket, peer, judgements }: Submission, id: string, rollout: DueTurn, known: CoordinatorJudgement | undefined): CoordinatorInput {
  return { kind: 'rollout_judged', ticket, peer, rollout, judgement: known ?? asInput(judgements.get(id)!) }
}

function asInput(judgement: Judgement): CoordinatorJudgement {
  return judgement.outcome === 'accepted' ? { kind: 'accepted', reward: judgement.reward, done: judgement.done } : { kind: 'rejected', reason: judgement.reason }
}
