/**
 * Decides who holds which layers, which pipelines are open and which of them serves a person's request. A machine without
 * clock or socket: its inputs are the checked messages of tabs and requests of people. See README.md for what it guarantees.
 */
import type { PeerId } from '../protocol/identifiers.ts'
import { reportRoundTrips } from '../scheduling/link-map.ts'
import { hear, loseLink, noticeSilence, noticeUntakenPlaces, removePeer, takeFault } from './disruptions.ts'
import { forgiveDeafness, silentAt } from './liveness.ts'
import { idleTokenMs } from './pipeline-cost.ts'
import { sparingDeadline, weighSparing, type SparablePipeline } from './pipeline-sparing.ts'
import { isOpen, realisePlan, refreshPipeline, takePlace } from './pipelines.ts'
import { closeRequest, dispatch, endOverdue, openRequest, sequenceDeadlines, takeTokens } from './sequences.ts'
import type { Host, ServingEffect, ServingInput, ServingPipeline, ServingState, StageTold } from './serving-state.ts'
import { createHost, placeInPlan, takeSliceReady, weighPlan } from './slice-hosts.ts'

/** A fresh plan has everybody load anew: only when nobody would notice. */
const IDLE_AFTER_MS = 60_000

/**
 * Changes `state` and @returns what to do, in order.
 * @param now milliseconds on a clock that never goes back
 */
export function stepServing(state: ServingState, input: ServingInput, { now }: { readonly now: number }): ServingEffect[] {
  const effects: ServingEffect[] = []
  take(state, input, now, effects)
  if (state.sequences.size > 0 || input.kind === 'peer_joined' || input.kind === 'peer_left') state.busyAt = now
  realisePlan(state, now, effects)
  weighSparing(state.sparing, sparablePipelines(state), state.sequences.size, now)
  dispatch(state, now, effects)
  endOverdue(state, now, effects)
  noteRecoveries(state, now)
  askForWakeUp(state, effects)
  return effects
}

function take(state: ServingState, input: ServingInput, now: number, effects: ServingEffect[]): void {
  switch (input.kind) {
    case 'peer_joined': {
      const host = createHost(input.peer, input.memory, input.held, now)
      state.hosts.set(host.peer, host)
      placeInPlan(state, host, effects)
      return
    }
    case 'peer_left':
      removePeer(state, input.peer, now, effects)
      return
    case 'version_held':
    case 'version_dropped':
      if (input.kind === 'version_held') state.hosts.get(input.peer)?.versions.add(input.version)
      else state.hosts.get(input.peer)?.versions.delete(input.version)
      refreshPipeline(state, input.peer, effects)
      return
    case 'version_withdrawn':
      for (const host of state.hosts.values()) if (host.versions.delete(input.version)) refreshPipeline(state, host.peer, effects)
      return
    case 'link_lost':
      loseLink(state, input.a, input.b, now, effects)
      return
    case 'request_opened':
      openRequest(state, input.request, now, effects)
      return
    case 'request_closed':
      closeRequest(state, input.key, now, effects)
      return
    case 'wake':
      forgiveDeafness(state, now - (state.wakeAt ?? now))
      state.wakeAt = undefined
      noticeSilence(state, now, effects)
      noticeUntakenPlaces(state, now, effects)
      if (state.planUnweighed && isIdle(state, now)) weighPlan(state, effects)
      return
    case 'slice_ready':
    case 'profile':
    case 'heartbeat':
    case 'place_taken':
    case 'pipeline_broken':
    case 'sequences_generated': {
      const host = state.hosts.get(input.peer)
      // What a tab that has left had still on its way.
      if (host !== undefined) takeTold(state, host, input, now, effects)
    }
  }
}

function takeTold(state: ServingState, host: Host, input: StageTold, now: number, effects: ServingEffect[]): void {
  switch (input.kind) {
    case 'slice_ready':
      takeSliceReady(host, input.message)
      host.liveness.heardAt = now
      return
    case 'profile':
      host.profile = input.message
      reportRoundTrips(state.links, host.peer, input.message.roundTrips)
      refreshPipeline(state, host.peer, effects)
      return
    case 'heartbeat':
      if (input.message.workMs > 0 || input.message.roundMs > 0) state.busyAt = now
      hear(state, host, input.message, now, effects)
      return
    case 'place_taken': {
      const pipeline = placeOf(state, host.peer, input.message.pipeline)
      if (pipeline !== undefined && !isOpen(pipeline)) takePlace(state, pipeline, host.peer, effects)
      return
    }
    case 'pipeline_broken': {
      const pipeline = placeOf(state, host.peer, input.message.pipeline)
      if (pipeline !== undefined) takeFault(state, host, pipeline, now, effects)
      return
    }
    case 'sequences_generated':
      takeTokens(state, host.peer, input.message, now, effects)
  }
}

/** The pipeline of that name, if the peer has a place in it. */
function placeOf(state: ServingState, peer: PeerId, id: number): ServingPipeline | undefined {
  const pipeline = state.pipelines.get(id)
  return pipeline?.stages.some(stage => stage.peer === peer) === true ? pipeline : undefined
}

function sparablePipelines(state: ServingState): SparablePipeline[] {
  const open = [...state.pipelines.values()].filter(isOpen)
  return open.map(pipeline => ({ id: pipeline.id, stages: pipeline.stages.length, serves: pipeline.sequences.size, tokenMs: () => idleTokenMs(state, pipeline) }))
}

/** Nobody has worked for a while, and nothing is being loaded. */
function isIdle({ plan, pipelines, busyAt }: ServingState, now: number): boolean {
  return now - busyAt >= IDLE_AFTER_MS && pipelines.size === plan.pipelines.length && [...pipelines.values()].every(isOpen)
}

/** A break is over when another pipeline is open for all that it interrupted, though some may have to wait for a row; if that was nothing, when the next one opens. */
function noteRecoveries(state: ServingState, now: number): void {
  for (const { report, waiting, decidedAt } of state.breaks) {
    if (report.recoveredAfterMs !== null) continue
    for (const key of waiting) {
      const sequence = state.sequences.get(key)
      if (sequence === undefined || sequence.pipeline !== undefined || sequence.unservableSince === undefined) waiting.delete(key)
    }
    const another = [...state.pipelines.values()].find(pipeline => isOpen(pipeline) && (report.sequences > 0 || pipeline.id > report.pipeline))
    if (waiting.size === 0 && another !== undefined) report.recoveredAfterMs = now - decidedAt
  }
}

/** An early wake-up does no harm, so a deadline that moves away asks for none. */
function askForWakeUp(state: ServingState, effects: ServingEffect[]): void {
  let time = sparingDeadline(state.sparing)
  for (const host of state.hosts.values()) if (host.liveness.late === undefined) time = Math.min(time, silentAt(host))
  for (const pipeline of state.pipelines.values()) if (!isOpen(pipeline)) time = Math.min(time, pipeline.openBy)
  for (const deadline of sequenceDeadlines(state)) time = Math.min(time, deadline.time)
  if (time === Infinity || (state.wakeAt !== undefined && state.wakeAt <= time)) return
  state.wakeAt = time
  effects.push({ kind: 'wake_at', time })
}
