import type { PeerId } from '../protocol/identifiers.ts'
import { planFaults, type LayerPlan, type PlanFault } from './layer-plan.ts'
import { stageSlice, type LayerRange } from './layer-range.ts'
import type { ModelShape } from './model-shape.ts'
import { mostCapableFirst, stageCapacity, type Device } from './stage-capacity.ts'
import { withStandbys } from './standby-slices.ts'

export interface ManualStage extends LayerRange {
  readonly peer: PeerId
}

export type ManualAllocation = { readonly plan: LayerPlan } | { readonly faults: readonly PlanFault[] }

/**
 * The pipelines that a researcher or a test asks for, as they are; whoever is not named stands by.
 * @returns everything that is wrong with them, if they cannot be honoured
 */
export function allocateManually(shape: ModelShape, devices: readonly Device[], pipelines: readonly (readonly ManualStage[])[]): ManualAllocation {
  const asked = { pipelines: pipelines.map(stages => stages.map(({ peer, start, end }) => ({ peer, slice: stageSlice(shape.layers, start, end) }))), standbys: [] }
  const faults = planFaults(shape, devices, asked)
  if (faults.length > 0) return { faults }
  const named = new Set(pipelines.flat().map(({ peer }) => peer))
  const others = devices.filter(({ peer }) => !named.has(peer)).map(device => ({ device, capacity: stageCapacity(shape, device.memoryBytes) }))
  return { plan: withStandbys(shape, devices, asked, mostCapableFirst(others).map(({ device }) => device)) }
}
