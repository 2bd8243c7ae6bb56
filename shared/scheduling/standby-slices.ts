/** Which layers a peer takes that has no place in a pipeline. */
import type { ModelSlice } from '../model/tensor-names.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import { planMembers, type LayerPlan, type Pipeline } from './layer-plan.ts'
import { rangeLength, stageSlice } from './layer-range.ts'
import type { ModelShape } from './model-shape.ts'
import { capacityInRole, networkOf, stageCapacity, type Device } from './stage-capacity.ts'

/** Speed that the hosts of a layer give to it together, in layers/ms. */
type LayerLoads = readonly number[]

/** @returns the plan with the newcomers as standbys, each with layers chosen after those of the one before */
export function withStandbys(shape: ModelShape, devices: readonly Device[], plan: LayerPlan, newcomers: readonly Device[]): LayerPlan {
  const deviceOf = new Map(devices.map(device => [device.peer, device]))
  const standbys = [...plan.standbys]
  for (const device of newcomers) {
    const reachable = (peer: PeerId): boolean => networkOf(deviceOf.get(peer)!) === networkOf(device)
    const pipelines = plan.pipelines.filter(pipeline => reachable(pipeline[0]!.peer))
    const loads = Array.from({ length: shape.layers }, () => 0)
    for (const { peer, slice } of planMembers({ pipelines, standbys: standbys.filter(({ peer }) => reachable(peer)) })) {
      if (slice === undefined) continue
      for (let layer = slice.start; layer < slice.end; layer++) loads[layer]! += deviceOf.get(peer)!.layersPerMs / rangeLength(slice)
    }
    const slice = pipelines.length > 0 ? lightestStages(shape, device, pipelines, loads) : firstUncovered(shape, device, loads)
    standbys.push({ peer: device.peer, slice })
  }
  return { pipelines: plan.pipelines, standbys }
}

/**
 * Whole neighbouring stages of one pipeline, so that chains can go through the new host instead: those with which the
 * lightest layer gains most, and if that stays as it is, those with which a pass through all layers gets fastest.
 */
function lightestStages(shape: ModelShape, device: Device, pipelines: readonly Pipeline[], loads: LayerLoads): ModelSlice | undefined {
  const capacity = stageCapacity(shape, device.memoryBytes)
  let best: ModelSlice | undefined
  let bestLightest = -Infinity
  let bestPassMs = Infinity
  for (const pipeline of pipelines) {
    for (const [from, first] of pipeline.entries()) {
      for (const last of pipeline.slice(from)) {
        const slice = stageSlice(shape.layers, first.slice.start, last.slice.end)
        if (rangeLength(slice) > capacityInRole(capacity, slice)) continue
        const { lightest, passMs } = effect(loads, slice, device.layersPerMs)
        if (lightest < bestLightest || (lightest === bestLightest && passMs >= bestPassMs)) continue
        best = slice
        bestLightest = lightest
        bestPassMs = passMs
      }
    }
  }
  return best
}

function effect(loads: LayerLoads, slice: ModelSlice, speed: number): { lightest: number; passMs: number } {
  let lightest = Infinity
  let passMs = 0
  for (let layer = 0; layer < loads.length; layer++) {
    const load = loads[layer]! + (layer >= slice.start && layer < slice.end ? speed / rangeLength(slice) : 0)
    lightest = Math.min(lightest, load)
    passMs += 1 / load
  }
  return { lightest, passMs }
}

/** While no pipeline is complete: from the first layer on that nobody holds and that fits, as many such layers as fit. */
function firstUncovered(shape: ModelShape, device: Device, loads: LayerLoads): ModelSlice | undefined {
  const capacity = stageCapacity(shape, device.memoryBytes)
  for (let start = 0; start < shape.layers; start++) {
    let best: ModelSlice | undefined
    for (let end = start + 1; end <= shape.layers && loads[end - 1] === 0; end++) {
      const slice = stageSlice(shape.layers, start, end)
      if (end - start <= capacityInRole(capacity, slice)) best = slice
    }
    if (best !== undefined) return best
  }
  return undefined
}
