/** The coordinator's state and everything that goes in and out of it. Plain data: JSON is its snapshot. */
import type { LeaseId, PeerId, PolicyVersion } from '../protocol/identifiers.ts'
import type { RejectionReason, Verdict } from '../protocol/rollout.ts'
import type { AdmissionRule } from './admission.ts'
import type { CompleteGroup, Group } from './group.ts'
import { createLeaseTable, type LeaseEnding, type LeaseTable, type SampleKey, type TurnKey } from './lease-table.ts'
import { leastLookahead, type Pace } from './pacing.ts'
import type { PeerTable } from './peer-table.ts'
import type { LagHistogram } from './staleness.ts'

export interface CoordinatorConfig extends AdmissionRule {
  /** G: samples per prompt. */
  readonly groupSize: number
  /** After this long the rest of a lease may be leased to others. */
  readonly leaseDurationMs: number
}

export interface RolloutCounters {
  /** Turns leased; one that is leased twice counts twice. Turns are what the next three count, too. */
  leased: number
  accepted: number
  /** Delivered too late, or too old by the time they would have been learnt from. */
  stale: number
  rejected: Partial<Record<RejectionReason, number>>
  /** Rollouts whose last turn was accepted. */
  finished: number
}

export interface LearntGroup {
  readonly prompt: number
  /** By sample, after each of its turns. */
  readonly rewards: readonly (readonly number[])[]
}

export interface CoordinatorState extends Pace {
  readonly config: CoordinatorConfig
  /** Newest published version. */
  version: PolicyVersion
  /** The first prompt that has never been leased. Only grows. */
  nextPrompt: number
  /** Not learnt from yet, by prompt. */
  groups: Group[]
  /** The batch of the learner step that goes on. */
  learning: CompleteGroup[] | null
  /** No leases are granted and no step is begun any more. */
  closed: boolean
  leases: LeaseTable
  peers: PeerTable
  /** Newest last; long enough that any result that is not stale still finds its verdict. */
  learnt: LearntGroup[]
  counters: RolloutCounters
  lagHistogram: LagHistogram
  wakeAtMs: number | null
}

export function createCoordinator(config: CoordinatorConfig): CoordinatorState {
  return {
    config,
    version: 0,
    nextPrompt: 0,
    groups: [],
    learning: null,
    learnerFree: false,
    lookahead: leastLookahead(config),
    closed: false,
    leases: createLeaseTable(),
    peers: {},
    learnt: [],
    counters: { leased: 0, accepted: 0, stale: 0, rejected: {}, finished: 0 },
    lagHistogram: [],
    wakeAtMs: null
  }
}

/** A delivered turn as far as coordination is concerned. */
export interface Delivery extends Omit<TurnKey, 'attempt'> {
  readonly version: PolicyVersion
}

/** And what it follows: it is judged after the tokens that this attempt has. */
export interface DueTurn extends Delivery, TurnKey {}

/**
 * What the verifier found about a turn that it was asked to judge. `reward` is the rollout's so far, and `done` whether it ends here.
 * `too_late`: its version was forgotten meanwhile, or the rollout has gone on without it.
 */
export type Judgement = { readonly kind: 'accepted'; readonly reward: number; readonly done: boolean } | { readonly kind: 'rejected'; readonly reason: RejectionReason } | { readonly kind: 'too_late' }

export type CoordinatorInput =
  | { readonly kind: 'peer_joined'; readonly peer: PeerId }
  | { readonly kind: 'peer_left'; readonly peer: PeerId }
  /** The connection to the signaling server was lost: who is there, and what they want, is unknown until it is told again. */
  | { readonly kind: 'peers_unknown' }
  | { readonly kind: 'work_wanted'; readonly peer: PeerId; readonly version: PolicyVersion; readonly rollouts: number }
  /** `ticket` is the host's; answers and judgements refer to it. */
  | { readonly kind: 'rollouts_received'; readonly ticket: number; readonly peer: PeerId; readonly lease: LeaseId; readonly rollouts: readonly Delivery[] }
  | { readonly kind: 'rollout_judged'; readonly ticket: number; readonly peer: PeerId; readonly rollout: DueTurn; readonly judgement: Judgement }
  | { readonly kind: 'learner_free' }
  | { readonly kind: 'policy_published'; readonly version: PolicyVersion }
  | { readonly kind: 'closed' }
  | { readonly kind: 'deadline_reached' }

export interface LearntSample extends SampleKey {
  /** That its oldest turn was sampled with. */
  readonly version: PolicyVersion
  readonly lag: number
}

export type CoordinatorEffect =
  | {
      readonly kind: 'lease_granted'
      readonly peer: PeerId
      readonly lease: LeaseId
      readonly version: PolicyVersion
      readonly samples: readonly TurnKey[]
      readonly durationMs: number
    }
  | { readonly kind: 'lease_ended'; readonly lease: LeaseId; readonly ending: LeaseEnding }
  /** Check it and answer with `rollout_judged`. */
  | { readonly kind: 'judge'; readonly ticket: number; readonly peer: PeerId; readonly rollout: DueTurn }
  /** The verdict on one turn of a ticket; `first` when it was decided now rather than repeated. */
  | { readonly kind: 'answered'; readonly ticket: number; readonly peer: PeerId; readonly rollout: Delivery; readonly verdict: Verdict; readonly first: boolean }
  /** What was accepted of it is too old for every learner step to come; it is leased again from its first turn. */
  | { readonly kind: 'rollout_outdated'; readonly rollout: SampleKey & { readonly turns: number } }
  /** Learn from these groups, by prompt, starting from `version`; then publish `version + 1`. */
  | { readonly kind: 'learn'; readonly version: PolicyVersion; readonly groups: readonly { readonly prompt: number; readonly samples: readonly LearntSample[] }[] }
  | { readonly kind: 'wake_at'; readonly atMs: number }
