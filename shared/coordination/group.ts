/** One prompt and its samples: the unit in which GRPO compares rewards. */
import type { LeaseId, PeerId, PolicyVersion } from '../protocol/identifiers.ts'
import type { RejectionReason } from '../protocol/rollout.ts'

export interface Refused {
  readonly peer: PeerId
  readonly turn: number
  readonly reason: RejectionReason
}

/** One that was accepted. */
export interface AcceptedTurn {
  readonly version: PolicyVersion
  /** Of the rollout up to here. */
  readonly reward: number
}

/** Still to be filled, or to be gone on with. Free, that is to be leased, while nobody holds a lease on it and nothing delivered is being judged. */
export interface OpenSample {
  readonly kind: 'open'
  /** Raised when the rollout is begun anew, because its turns became too old. */
  readonly attempt: number
  /** Those that it has. The next one is leased with all of their tokens. */
  readonly turns: AcceptedTurn[]
  /** The newest lease that covers it and has not ended. */
  lease: LeaseId | null
  /** Deliveries that the verifier has not judged yet. */
  judging: number
  /** It is not leased again to these. */
  refused: Refused[]
}

export interface AcceptedSample {
  readonly kind: 'accepted'
  readonly attempt: number
  /** Of which the last one ended the rollout. */
  readonly turns: readonly AcceptedTurn[]
  /** That its oldest turn was sampled with. */
  readonly version: PolicyVersion
  readonly reward: number
}

export type Sample = OpenSample | AcceptedSample

export interface Group {
  readonly prompt: number
  readonly samples: Sample[]
}

export interface CompleteGroup extends Group {
  readonly samples: AcceptedSample[]
}

export function openSample(attempt = 0): OpenSample {
  return { kind: 'open', attempt, turns: [], lease: null, judging: 0, refused: [] }
}

/** Undefined while there is none. */
export function oldestVersion({ turns }: Sample): PolicyVersion | undefined {
  return turns.length === 0 ? undefined : Math.min(...turns.map(({ version }) => version))
}

export function openGroup(prompt: number, size: number): Group {
  return { prompt, samples: Array.from({ length: size }, () => openSample()) }
}

export function isComplete(group: Group): group is CompleteGroup {
  return group.samples.every(sample => sample.kind === 'accepted')
}

export function isFree(sample: Sample): sample is OpenSample {
  return sample.kind === 'open' && sample.lease === null && sample.judging === 0
}
