/**
 * Who is alive and in time. ICE takes half a minute to notice that a peer is gone, and a frozen worker keeps its links:
 * heartbeats tell within two seconds. What may take long is judged by what the peer measured of itself.
 */
import { PREFILL_TOKENS } from '../pipeline/pipeline-driver.ts'
import type { Heartbeat } from '../protocol/stage-messages.ts'
import { layerMs } from '../scheduling/layer-cost.ts'
import type { Pipeline } from '../scheduling/layer-plan.ts'
import { rangeLength } from '../scheduling/layer-range.ts'
import { linksMs } from './pipeline-cost.ts'
import type { Host, LateCause, ServingState } from './serving-state.ts'

/** Three heartbeats and some delay. */
export const SILENT_AFTER_MS = 1_500
/** A timer of the server that is late by so much was not merely inaccurate. */
const DEAF_FROM_MS = 300
/** Below this a busy machine, not the work, is what takes long. */
const DEADLINE_AT_LEAST_MS = 1_500
/** A work or a round may take this many times what is expected of it. */
const MARGIN = 4
/** Expected of a peer that has measured nothing yet: the first works compile, too. */
const UNMEASURED_WORK_MS = 5_000
/** Who was late has to be in time for so long, doubled with every lapse, before it is counted on again. */
export const PROBATION_MS = 1_000
const PROBATION_MOST_MS = 60_000
const LAPSES_FORGOTTEN_AFTER_MS = 120_000
/** So many pipelines given up in short succession are the peer's own fault. */
const FAULTS_MOST = 3
const FAULTS_FORGOTTEN_AFTER_MS = 30_000

/** @returns when the peer is late unless it is heard before; never while it has nothing to compute with, which its connection alone vouches for */
export function silentAt({ ready, liveness }: Host): number {
  return ready === undefined ? Infinity : liveness.heardAt + SILENT_AFTER_MS
}

/** While the server itself stood still it could hear nobody: what was said meanwhile is yet to be read. */
export function forgiveDeafness({ hosts }: ServingState, deafMs: number): void {
  if (deafMs < DEAF_FROM_MS) return
  for (const { liveness } of hosts.values()) liveness.heardAt += deafMs + DEAF_FROM_MS
}

/** @returns how long the peer may compute one work, in milliseconds */
export function workDeadlineMs(state: ServingState, host: Host): number {
  return deadlineMs(longestWorkMs(state, host))
}

/** @returns how long a work may be on its way round, in milliseconds */
export function roundDeadlineMs(state: ServingState, stages: Pipeline): number {
  return deadlineMs(stages.reduce((sum, { peer }) => sum + longestWorkMs(state, state.hosts.get(peer)!), linksMs(state, stages)))
}

function deadlineMs(expectedMs: number): number {
  return Math.max(DEADLINE_AT_LEAST_MS, MARGIN * expectedMs)
}

/** Expected of a decode of all rows, or of the largest prefill: one prompt as long as it may be, or many together. */
function longestWorkMs({ model }: ServingState, { profile, ready }: Host): number {
  if (profile === undefined || ready === undefined) return UNMEASURED_WORK_MS
  return rangeLength(ready.layers) * Math.max(layerMs(profile.decode, ready.rows), layerMs(profile.prefill, Math.max(model.contextTokens, PREFILL_TOKENS)))
}

/** Of a round that takes too long: the stage that has been computing for longest, measured by what it may. */
export function slowestStage(state: ServingState, stages: Pipeline): Host {
  const hosts = stages.map(({ peer }) => state.hosts.get(peer)!)
  const share = (host: Host): number => host.liveness.heartbeat.workMs / workDeadlineMs(state, host)
  return hosts.reduce((slowest, host) => (share(host) > share(slowest) ? host : slowest))
}

export function countFault({ liveness }: Host, now: number): { readonly isOwnFault: boolean } {
  liveness.faults = now - liveness.faultedAt > FAULTS_FORGOTTEN_AFTER_MS ? 1 : liveness.faults + 1
  liveness.faultedAt = now
  return { isOwnFault: liveness.faults >= FAULTS_MOST }
}

export function lapse({ liveness }: Host, cause: LateCause, now: number): void {
  liveness.lapses = now - liveness.lapsedAt > LAPSES_FORGOTTEN_AFTER_MS ? 1 : liveness.lapses + 1
  liveness.lapsedAt = now
  liveness.late = { cause, inTimeSince: now }
}

/** @returns whether a peer that was late has been in time for long enough; it is not late any more then */
export function recovers(state: ServingState, host: Host, heartbeat: Heartbeat, now: number): boolean {
  const { liveness } = host
  if (liveness.late === undefined) return false
  const isInTime = now <= silentAt(host) && heartbeat.workMs <= workDeadlineMs(state, host)
  if (!isInTime) liveness.late.inTimeSince = now
  if (now - liveness.late.inTimeSince < Math.min(PROBATION_MOST_MS, PROBATION_MS * 2 ** (liveness.lapses - 1))) return false
  liveness.late = undefined
  return true
}
