/** What breaks pipelines: peers that leave, fall silent, hang or fail, and links that are lost. */
import type { PeerId } from '../protocol/identifiers.ts'
import type { Heartbeat } from '../protocol/stage-messages.ts'
import { forgetPeer, markUnlinkable } from '../scheduling/link-map.ts'
import { countFault, lapse, recovers, roundDeadlineMs, silentAt, slowestStage, workDeadlineMs } from './liveness.ts'
import { neighbours } from './pipeline-cost.ts'
import { breakPipeline, isOpen, pipelineOf, type BreakCause } from './pipelines.ts'
import type { Host, LateCause, ServingEffect, ServingPipeline, ServingState } from './serving-state.ts'
import { placeInPlan, removeFromPlan } from './slice-hosts.ts'

export function hear(state: ServingState, host: Host, heartbeat: Heartbeat, now: number, effects: ServingEffect[]): void {
  const { liveness, peer } = host
  const hasRecovered = recovers(state, host, heartbeat, now)
  liveness.heardAt = now
  liveness.heartbeat = heartbeat
  if (hasRecovered) {
    placeInPlan(state, host, effects)
    return
  }
  if (liveness.late !== undefined) return
  if (heartbeat.workMs > workDeadlineMs(state, host)) {
    becomeLate(state, host, 'slow', heartbeat.workMs, now, effects)
    return
  }
  const pipeline = pipelineOf(state, peer)
  if (pipeline === undefined || pipeline.stages[0]!.peer !== peer || !isOpen(pipeline) || heartbeat.roundMs <= roundDeadlineMs(state, pipeline.stages)) return
  const slowest = slowestStage(state, pipeline.stages)
  breakPipeline(state, pipeline, { peer: slowest.peer, cause: 'slow', detectedAfterMs: heartbeat.roundMs }, now, effects)
}

/** The peer gave up its place in the pipeline. */
export function takeFault(state: ServingState, host: Host, pipeline: ServingPipeline, now: number, effects: ServingEffect[]): void {
  if (countFault(host, now).isOwnFault) becomeLate(state, host, 'fault', 0, now, effects)
  else breakPipeline(state, pipeline, { peer: host.peer, cause: 'fault', detectedAfterMs: 0 }, now, effects)
}

/** It leaves the plan until it has been in time for a while. It may keep its slice. */
function becomeLate(state: ServingState, host: Host, cause: LateCause, detectedAfterMs: number, now: number, effects: ServingEffect[]): void {
  breakPipelineOf(state, { peer: host.peer, cause, detectedAfterMs }, now, effects)
  lapse(host, cause, now)
  removeFromPlan(state, host.peer, effects)
}

export function removePeer(state: ServingState, peer: PeerId, now: number, effects: ServingEffect[]): void {
  const host = state.hosts.get(peer)
  if (host === undefined) return
  state.hosts.delete(peer)
  breakPipelineOf(state, { peer, cause: 'left', detectedAfterMs: now - host.liveness.heardAt }, now, effects)
  forgetPeer(state.links, peer)
  if (host.liveness.late === undefined) removeFromPlan(state, peer, effects)
}

function breakPipelineOf(state: ServingState, cause: BreakCause, now: number, effects: ServingEffect[]): void {
  const pipeline = pipelineOf(state, cause.peer)
  if (pipeline !== undefined) breakPipeline(state, pipeline, cause, now, effects)
}

/** Between neighbours, the next pipeline of the same stages relays what goes from one to the other. */
export function loseLink(state: ServingState, a: PeerId, b: PeerId, now: number, effects: ServingEffect[]): void {
  if (!state.hosts.has(a) || !state.hosts.has(b)) return
  markUnlinkable(state.links, a, b)
  const pipeline = pipelineOf(state, a)
  const isUsed = pipeline !== undefined && neighbours(pipeline.stages).some(({ from, to }, stage) => !pipeline.relayed.includes(stage) && ((from === a && to === b) || (from === b && to === a)))
  if (isUsed) breakPipeline(state, pipeline, { peer: b, cause: 'link_lost', detectedAfterMs: 0 }, now, effects)
}

export function noticeSilence(state: ServingState, now: number, effects: ServingEffect[]): void {
  for (const host of state.hosts.values()) {
    if (host.liveness.late === undefined && silentAt(host) <= now) becomeLate(state, host, 'silent', now - host.liveness.heardAt, now, effects)
  }
}

/** Two neighbours who both wait could not be linked. Who waits alone, or behind a relay, is at fault itself. */
export function noticeUntakenPlaces(state: ServingState, now: number, effects: ServingEffect[]): void {
  for (const pipeline of state.pipelines.values()) {
    if (isOpen(pipeline) || pipeline.openBy > now) continue
    const { stages, taken, relayed } = pipeline
    const unlinked = neighbours(stages).filter(({ from, to }, stage) => !relayed.includes(stage) && !taken.has(from) && !taken.has(to))
    if (unlinked.length === 0) {
      for (const { peer } of stages) if (!taken.has(peer)) becomeLate(state, state.hosts.get(peer)!, 'fault', now - pipeline.openBy, now, effects)
      continue
    }
    for (const { from, to } of unlinked) markUnlinkable(state.links, from, to)
    breakPipeline(state, pipeline, { peer: unlinked[0]!.to, cause: 'link_lost', detectedAfterMs: now - pipeline.openBy }, now, effects)
  }
}
