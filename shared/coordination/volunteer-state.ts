/** What the tab's machine remembers, is told and asks for. The machine itself is `volunteer.ts`. */
import type { Lease } from '../protocol/lease.ts'
import type { RefusalCode } from '../protocol/refusal.ts'
import type { Rollout, RolloutSubmission, Verdict } from '../protocol/rollout.ts'
import type { LayerRange } from '../scheduling/layer-range.ts'
import { createLeaseQueue, type Batch, type LeaseQueue } from './lease-queue.ts'

export interface AnnouncedVersion {
  readonly version: number
  readonly manifestHash: string
}

/** One finished rollout, and the lease that it answers. */
export interface FinishedRollout {
  readonly lease: string
  readonly rollout: Rollout
}

/** What matters in every state. */
export interface LifecycleInput {
  readonly kind: 'start' | 'stop' | 'connected' | 'disconnected'
}

/** What matters only while the tab volunteers. */
export type WorkInput =
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  /** The server told of an open run, perhaps because its trainer came back. */
  | { readonly kind: 'run_described'; readonly run: string }
  | { readonly kind: 'welcome'; readonly run: string; readonly base: AnnouncedVersion; readonly newest: AnnouncedVersion }
  | { readonly kind: 'join_refused'; readonly code: RefusalCode }
  | { readonly kind: 'join_unanswered' }
  /** The server forgot us, as one does that restarted. */
  | { readonly kind: 'not_joined' }
  | { readonly kind: 'policy_announced'; readonly announced: AnnouncedVersion }
  /** All chunks of a version are here and verified. */
  | ({ readonly kind: 'version_ready' } & AnnouncedVersion)
  /** Neither the origin nor a supplier that can be reached has all of it. */
  | ({ readonly kind: 'version_unavailable' } & AnnouncedVersion)
  /** The welcome's model cannot be computed, or a manifest of it is not signed by the run's key or does not fit the model. */
  | { readonly kind: 'run_unusable' }
  /** The engine passed its self-test and generates `rows` sequences at once. */
  | { readonly kind: 'engine_ready'; readonly rows: number }
  | { readonly kind: 'self_test_failed' }
  /** The engine's own files could not be had: the server that has them is away. */
  | { readonly kind: 'engine_unreachable' }
  | { readonly kind: 'engine_crashed' }
  /** null: nothing for now. */
  | { readonly kind: 'slice_assigned'; readonly layers: LayerRange | null }
  /** The tab's place in a pipeline, instead of the one that it had. */
  | { readonly kind: 'place_assigned'; readonly stage: number; readonly rows: number }
  /** Every stage of the pipeline whose first one this is holds these versions. */
  | { readonly kind: 'pipeline_open'; readonly versions: readonly number[] }
  | { readonly kind: 'place_lost' }
  /** People wait for so many answers of this tab. */
  | { readonly kind: 'people_waiting'; readonly answers: number }
  | { readonly kind: 'lease_granted'; readonly lease: Lease }
  | { readonly kind: 'rollouts_finished'; readonly batch: number; readonly rollouts: readonly FinishedRollout[] }
  /** All rollouts of the batch were reported. */
  | { readonly kind: 'batch_ended'; readonly batch: number }
  | { readonly kind: 'verdicts'; readonly submission: number; readonly verdicts: readonly Verdict[] }
  | { readonly kind: 'submission_refused'; readonly submission: number; readonly code: RefusalCode }
  /** No answer in time. */
  | { readonly kind: 'submission_unanswered'; readonly submission: number }
  | { readonly kind: 'wake' }

export type VolunteerInput = LifecycleInput | WorkInput

export type VolunteerEffect =
  | { readonly kind: 'join' }
  /** Ends links and fetches, and tells the server where there is one. */
  | { readonly kind: 'leave' }
  | ({ readonly kind: 'fetch_version' } & AnnouncedVersion)
  /** Its fetch, where one goes on, is given up, and so are its batches. */
  | ({ readonly kind: 'forget_version' } & AnnouncedVersion)
  /** Builds the engine from the base version, tests it, and measures how many rows it takes at once. */
  | ({ readonly kind: 'load_engine' } & AnnouncedVersion)
  /** The engine shall be able to compute with it. */
  | ({ readonly kind: 'use_version' } & AnnouncedVersion)
  | { readonly kind: 'generate'; readonly batch: Batch }
  /** Stand still after the current step; go on; drop all batches. */
  | { readonly kind: 'hold_engine' | 'release_engine' | 'abandon_batches' | 'unload_engine' }
  /** Another slice is loaded next, on the same engine. */
  | { readonly kind: 'unload_slice' }
  | { readonly kind: 'submit'; readonly id: number; readonly submission: RolloutSubmission }
  | ({ readonly kind: 'tell_held' | 'tell_dropped' } & AnnouncedVersion)
  /** The engine has loaded and tested these layers. */
  | { readonly kind: 'tell_ready'; readonly layers: LayerRange }
  | { readonly kind: 'want_work'; readonly version: number; readonly rollouts: number }
  | { readonly kind: 'wake_at'; readonly time: number }

export type StopReason = 'not_started' | 'user_stopped' | 'self_test_failed' | 'engine_failed' | 'page_outdated' | 'refused' | 'bad_policy'

interface PendingSubmission {
  readonly submission: RolloutSubmission
  /** Sent on this connection and not yet answered. */
  sent: boolean
}

export interface VolunteerState {
  /** Why nothing is to be done; null while the tab volunteers. */
  stopped: StopReason | null
  paused: boolean
  online: boolean
  /** null until welcomed. */
  run: { readonly id: string; readonly base: AnnouncedVersion } | null
  joining: boolean
  /** The current connection has been welcomed. */
  joined: boolean
  /** No run was open when we asked. */
  runMissing: boolean
  announced: Map<number, string>
  /** The version announced last. Lower than before when a trainer resumed from a checkpoint. */
  newest: number
  /** The newest version has been ready at least once; nobody leases the older ones to a newcomer. */
  caughtUp: boolean
  /** Announced versions whose chunks are here, least recently used first. */
  ready: number[]
  fetching: number | null
  /** What the tab shall hold; undefined before it was told, null for nothing. */
  layers: LayerRange | null | undefined
  place: PlaceInPipeline | null
  /** Answers for people that are being generated. */
  peopleWaiting: number
  engine: 'none' | 'loading' | 'ready'
  /** When to load it again whose files could not be had; null when nothing keeps it from loading. */
  reloadAt: number | null
  rows: number
  /** Since the last batch that went well. */
  crashes: number
  /** Manifest hash of the version that the engine computes with, which may have been forgotten since. */
  inUse: string | null
  queue: LeaseQueue
  /** Given to the engine, which decodes them together: all of one version. */
  running: Batch[]
  /** Keys of the samples of `running` that are done. */
  finished: Set<string>
  batches: number
  outbox: Map<number, PendingSubmission>
  submissions: number
  /** What the trainer believes we want, of which version. */
  wish: { version: number; rollouts: number }
  /** When to ask again what was refused for the moment or not answered; null when nothing waits. */
  retryAt: number | null
  /** When to say again that there is nothing to do; null while there is. */
  retellAt: number | null
  /** The wake-up that was asked for last. */
  wakeAt: number | null
}

export interface PlaceInPipeline {
  readonly stage: number
  /** Sequences that go round at once, in all micro-batches. */
  readonly rows: number
  /** Versions that all stages hold; empty before the pipeline is open, and at all stages but the first. */
  versions: readonly number[]
}

export function createVolunteer(): VolunteerState {
  return {
    stopped: 'not_started',
    paused: false,
    online: false,
    run: null,
    joining: false,
    joined: false,
    runMissing: false,
    announced: new Map(),
    newest: 0,
    caughtUp: false,
    ready: [],
    fetching: null,
    layers: undefined,
    place: null,
    peopleWaiting: 0,
    engine: 'none',
    reloadAt: null,
    rows: 0,
    crashes: 0,
    inUse: null,
    queue: createLeaseQueue(),
    running: [],
    finished: new Set(),
    batches: 0,
    outbox: new Map(),
    submissions: 0,
    wish: { version: 0, rollouts: 0 },
    retryAt: null,
    retellAt: null,
    wakeAt: null
  }
}
