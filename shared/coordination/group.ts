/** One prompt and its samples: the unit in which GRPO compares rewards. */
import type { LeaseId, PeerId, PolicyVersion } from '../protocol/identifiers.ts'
import type { RejectionReason } from '../protocol/rollout.ts'

export interface Refused {
  readonly peer: PeerId
  readonly reason: RejectionReason
}

/** Still to be filled. Free, that is to be leased, while nobody holds a lease on it and nothing delivered is being judged. */
export interface OpenSample {
  readonly kind: 'open'
  /** The newest lease that covers it and has not ended. */
  lease: LeaseId | null
  /** Deliveries that the verifier has not judged yet. */
  judging: number
  /** It is not leased again to these. */
  refused: Refused[]
}

export interface AcceptedSample {
  readonly kind: 'accepted'
  readonly peer: PeerId
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

export function openSample(): OpenSample {
  return { kind: 'open', lease: null, judging: 0, refused: [] }
}

export function openGroup(prompt: number, size: number): Group {
  return { prompt, samples: Array.from({ length: size }, openSample) }
}

export function isComplete(group: Group): group is CompleteGroup {
  return group.samples.every(sample => sample.kind === 'accepted')
}

export function isFree(sample: Sample): sample is OpenSample {
  return sample.kind === 'open' && sample.lease === null && sample.judging === 0
}
