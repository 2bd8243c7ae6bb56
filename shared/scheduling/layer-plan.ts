import type { ModelSlice } from '../model/tensor-names.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import { rangeLength } from './layer-range.ts'
import type { ModelShape } from './model-shape.ts'
import { capacityInRole, stageCapacity, type Device } from './stage-capacity.ts'

/** A peer's place in a pipeline, and the layers that it serves there. */
export interface Stage {
  readonly peer: PeerId
  readonly slice: ModelSlice
}

/** Stages whose slices tile [0, layers), in that order. */
export type Pipeline = readonly Stage[]

/** A peer outside every pipeline. It may hold layers: then it shares the work on them and stands in at no cost. */
export interface Standby {
  readonly peer: PeerId
  readonly slice: ModelSlice | undefined
}

/** Who holds what. A peer is in it at most once. */
export interface LayerPlan {
  readonly pipelines: readonly Pipeline[]
  readonly standbys: readonly Standby[]
}

export const EMPTY_PLAN: LayerPlan = { pipelines: [], standbys: [] }

/** pipelines² / stages: what allocation maximises (Parallax, arXiv 2509.26182, phase 1). 0 without a pipeline. */
export function planValue(plan: LayerPlan): number {
  const stages = plan.pipelines.reduce((total, pipeline) => total + pipeline.length, 0)
  return stages === 0 ? 0 : plan.pipelines.length ** 2 / stages
}

/** Every peer and the layers that it holds, in order of pipelines and stages, standbys last. */
export function planMembers(plan: LayerPlan): Standby[] {
  return [...plan.pipelines.flat(), ...plan.standbys]
}

export type PlanFaultCode = 'unknown_peer' | 'peer_twice' | 'layers_not_tiled' | 'no_memory'

export interface PlanFault {
  readonly code: PlanFaultCode
  /** The peer concerned; for `layers_not_tiled` the one whose slice does not begin where the one before ends, undefined for a pipeline without stages. */
  readonly peer: PeerId | undefined
}

/** Whatever makes a plan unusable. Empty for every plan that this folder makes. */
export function planFaults(shape: ModelShape, devices: readonly Device[], plan: LayerPlan): PlanFault[] {
  const deviceOf = new Map(devices.map(device => [device.peer, device]))
  const seen = new Set<PeerId>()
  const faults: PlanFault[] = []
  for (const { peer, slice } of planMembers(plan)) {
    const device = deviceOf.get(peer)
    if (device === undefined) faults.push({ code: 'unknown_peer', peer })
    else if (slice !== undefined && rangeLength(slice) > capacityInRole(stageCapacity(shape, device.memoryBytes), slice)) faults.push({ code: 'no_memory', peer })
    if (seen.has(peer)) faults.push({ code: 'peer_twice', peer })
    seen.add(peer)
  }
  for (const pipeline of plan.pipelines) {
    if (pipeline.length === 0) faults.push({ code: 'layers_not_tiled', peer: undefined })
    let covered = 0
    for (const [index, { peer, slice }] of pipeline.entries()) {
      const isLast = index === pipeline.length - 1
      const fits = slice.start === covered && slice.end > slice.start && slice.embed === (index === 0) && slice.head === isLast && (!isLast || slice.end === shape.layers)
      if (!fits) faults.push({ code: 'layers_not_tiled', peer })
      covered = slice.end
    }
  }
  return faults
}
