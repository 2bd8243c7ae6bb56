/** A submission on its way from receipt to its verdicts. */
import type { Rollout, Verdict } from '#shared/protocol/rollout.ts'
import type { PeerSubmits } from '#shared/protocol/trainer-messages.ts'
import { refuse } from '#shared/protocol/refusal.ts'
import type { SubmissionAnswer } from '#shared/protocol/volunteer-messages.ts'
import { Deferred } from '../deferred.ts'
import type { Judgement } from '../verifier/judgement.ts'

export interface Submission {
  readonly ticket: number
  readonly peer: string
  readonly lease: string
  /** By `prompt/index`: one that is in it twice counts once. */
  readonly rollouts: ReadonlyMap<string, Rollout>
  readonly judgements: Map<string, Judgement>
  readonly verdicts: Verdict[]
  readonly receivedMs: number
  readonly answer: (answer: SubmissionAnswer) => void
}

/** The submissions that wait for verdicts, by ticket. */
export class SubmissionDesk {
  readonly #waiting = new Map<number, Submission>()
  #tickets = 0

  open({ peer, submission }: PeerSubmits, receivedMs: number): { readonly submission: Submission; readonly answered: Promise<SubmissionAnswer> } {
    const rollouts = new Map(submission.rollouts.map(rollout => [`${rollout.prompt}/${rollout.index}`, rollout]))
    const answered = new Deferred<SubmissionAnswer>()
    const opened: Submission = { ticket: this.#tickets++, peer, lease: submission.lease, rollouts, judgements: new Map(), verdicts: [], receivedMs, answer: answered.resolve }
    this.#waiting.set(opened.ticket, opened)
    return { submission: opened, answered: answered.promise }
  }

  get(ticket: number): Submission {
    const submission = this.#waiting.get(ticket)
    if (submission === undefined) throw new Error(`ticket ${ticket} is closed`)
    return submission
  }

  /** Answers every submission whose verdicts are complete: only after they were stored. */
  answerComplete(): void {
    for (const submission of this.#waiting.values()) {
      if (submission.verdicts.length < submission.rollouts.size) continue
      this.#waiting.delete(submission.ticket)
      submission.answer({ kind: 'verdicts', verdicts: submission.verdicts })
    }
  }

  /** The trainer ends: whoever waits submits again to its successor. */
  refuseAll(): void {
    for (const { answer } of this.#waiting.values()) answer(refuse('no_trainer', 'the trainer is stopping'))
    this.#waiting.clear()
  }
}
