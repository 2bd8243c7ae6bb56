/** Which peers there are, what they can do, and which layers they shall hold. */
import type { PeerId } from '../protocol/identifiers.ts'
import type { MemoryOffer, SliceReady } from '../protocol/stage-messages.ts'
import { planMembers, type LayerPlan, type Pipeline, type Stage } from '../scheduling/layer-plan.ts'
import { layerMs } from '../scheduling/layer-cost.ts'
import { stageSlice, type LayerRange } from '../scheduling/layer-range.ts'
import { join, leave, reallocate } from '../scheduling/membership-changes.ts'
import { allocateLayers } from '../scheduling/pipeline-allocation.ts'
import { regionsOf } from '../scheduling/regions.ts'
import type { Device } from '../scheduling/stage-capacity.ts'
import type { Host, ServingEffect, ServingState } from './serving-state.ts'

/** Of a peer that has measured nothing yet. */
export const UNMEASURED_COST = {
  decode: { fixedMs: 20, perRowMs: 1 },
  prefill: { fixedMs: 20, perRowMs: 1 },
  uplinkBytesPerSecond: null
} as const

export function createHost(peer: PeerId, memory: MemoryOffer, loaded: LayerRange | null, now: number): Host {
  return {
    peer,
    memory,
    assigned: undefined,
    loaded,
    ready: undefined,
    versions: new Set(),
    profile: undefined,
    liveness: { heardAt: now, heartbeat: { workMs: 0, roundMs: 0 }, late: undefined, lapses: 0, lapsedAt: -Infinity, faults: 0, faultedAt: -Infinity }
  }
}

/** The host joins the plan with what it has loaded. While nothing is loaded anywhere, nothing is lost by planning everything afresh. */
export function placeInPlan(state: ServingState, { peer, loaded }: Host, effects: ServingEffect[]): void {
  const { shape } = state.model
  const devices = presentDevices(state)
  const isUntouched = state.plan.pipelines.length === 0 && [...state.hosts.values()].every(({ loaded }) => loaded === null)
  const held = loaded === null || loaded.end > shape.layers ? undefined : stageSlice(shape.layers, loaded.start, loaded.end)
  changePlan(state, isUntouched ? allocateLayers(shape, devices) : join(shape, devices, state.plan, peer, held).plan, effects)
}

/** Call it once the host is late, or no longer among the hosts. */
export function removeFromPlan(state: ServingState, peer: PeerId, effects: ServingEffect[]): void {
  changePlan(state, leave(state.model.shape, presentDevices(state), state.plan, peer).plan, effects)
}

/** A fresh allocation, if it is worth more than what has grown. Pipelines that are in both stay. */
export function weighPlan(state: ServingState, effects: ServingEffect[]): void {
  const better = reallocate(state.model.shape, presentDevices(state), state.plan)?.plan
  if (better !== undefined) {
    const pipelines = better.pipelines.map(stages => state.plan.pipelines.find(former => sameStages(former, stages)) ?? stages)
    changePlan(state, { ...better, pipelines }, effects)
  }
  state.planUnweighed = false
}

/** The tab may have been told of other layers since. */
export function takeSliceReady(host: Host, ready: SliceReady): void {
  host.loaded = ready.layers
  if (sameLayers(host.assigned, ready.layers)) host.ready = ready
}

/** The host has loaded what the stage needs, and knows that this is what it shall hold. */
export function isStageReady(state: ServingState, { peer, slice }: Stage): boolean {
  return sameLayers(state.hosts.get(peer)?.ready?.layers, slice)
}

export function presentDevices({ hosts, links, model }: ServingState): Device[] {
  const present = [...hosts.values()].filter(({ liveness }) => liveness.late === undefined)
  const regions = regionsOf(links, present.map(({ peer }) => peer))
  return present.map(({ peer, memory, profile }) => ({
    peer,
    // Engines would refuse a larger tensor, so such a device is given nothing at all.
    memoryBytes: memory.largestTensorBytes < model.largestTensorBytes ? 0 : memory.memoryBytes,
    layersPerMs: 1 / Math.max(Number.MIN_VALUE, layerMs((profile ?? UNMEASURED_COST).decode, 1)),
    region: regions.get(peer)!
  }))
}

function changePlan(state: ServingState, plan: LayerPlan, effects: ServingEffect[]): void {
  state.plan = plan
  state.planUnweighed = true
  for (const { peer, slice } of planMembers(plan)) {
    const host = state.hosts.get(peer)!
    const layers = slice === undefined ? null : { start: slice.start, end: slice.end }
    if (host.assigned !== undefined && sameLayers(host.assigned, layers)) continue
    host.assigned = layers
    if (!sameLayers(host.ready?.layers, layers)) host.ready = undefined
    effects.push({ kind: 'tell', peer, event: 'slice_assigned', payload: { layers } })
  }
}

function sameLayers(left: LayerRange | null | undefined, right: LayerRange | null | undefined): boolean {
  return left?.start === right?.start && left?.end === right?.end
}

function sameStages(left: Pipeline, right: Pipeline): boolean {
  return left.length === right.length && left.every(({ peer, slice }, index) => peer === right[index]!.peer && sameLayers(slice, right[index]!.slice))
}
