/**
 * Peers come and go. A change disturbs no pipeline that is whole: it moves the fewest layers that make a new pipeline or
 * mend a broken one. Parallax tears the whole pipeline down instead and loads all of its peers anew.
 */
import type { ModelSlice } from '../model/tensor-names.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import { cheapestPipeline, type Holder } from './cheapest-pipeline.ts'
import { hostCounts } from './layer-coverage.ts'
import { EMPTY_PLAN, planValue, type LayerPlan, type Pipeline, type Standby } from './layer-plan.ts'
import { rangeLength } from './layer-range.ts'
import type { ModelShape } from './model-shape.ts'
import { allocateLayers } from './pipeline-allocation.ts'
import { planDiff, type PlanDiff } from './plan-diff.ts'
import { capacityInRole, networkOf, networksOf, stageCapacity, type Device } from './stage-capacity.ts'
import { withStandbys } from './standby-slices.ts'

export interface PlanChange {
  readonly plan: LayerPlan
  readonly diff: PlanDiff
}

/**
 * The newcomer makes a new pipeline with the standbys if they can hold all layers together; otherwise it stands by with
 * what it holds already, with the lightest layers, or with layers that nobody holds.
 * @param devices everyone who is here, the newcomer included
 * @param held what a newcomer who was here before still has loaded
 */
export function join(shape: ModelShape, devices: readonly Device[], plan: LayerPlan, peer: PeerId, held?: ModelSlice): PlanChange {
  const newcomer = devices.find(device => device.peer === peer)
  if (newcomer === undefined) throw new RangeError(`${peer} joins but is not among the devices`)
  const usable = held !== undefined && rangeLength(held) <= capacityInRole(stageCapacity(shape, newcomer.memoryBytes), held) ? held : undefined
  const before = { pipelines: plan.pipelines, standbys: [...plan.standbys, { peer, slice: usable }] }
  const grown = withNewPipelines(shape, devices, before)
  const others = { pipelines: grown.pipelines, standbys: grown.standbys.filter(standby => standby.peer !== peer) }
  const isSettled = others.standbys.length === grown.standbys.length || (usable !== undefined && isOfUse(shape, others, usable))
  const after = isSettled ? grown : withStandbys(shape, devices, others, [newcomer])
  return { plan: after, diff: planDiff(before, after) }
}

/** Beside a pipeline every slice shares work; without one only layers that nobody else holds bring it nearer. */
function isOfUse({ layers }: ModelShape, { pipelines, standbys }: LayerPlan, { start, end }: ModelSlice): boolean {
  return pipelines.length > 0 || hostCounts(layers, { pipelines, standbys }).slice(start, end).includes(0)
}

/**
 * A broken pipeline is mended by its other stages and the standbys. If these cannot, its stages become standbys, whose
 * layers the other pipelines can use.
 * @param devices everyone who is still here
 */
export function leave(shape: ModelShape, devices: readonly Device[], plan: LayerPlan, peer: PeerId): PlanChange {
  const broken = plan.pipelines.find(pipeline => pipeline.some(stage => stage.peer === peer)) ?? []
  const spare = [...broken, ...plan.standbys].filter(standby => standby.peer !== peer)
  const at = plan.pipelines.indexOf(broken)
  const mended = at < 0 ? undefined : cheapestPipelineOf(shape, devices, spare)
  const pipelines = at < 0 ? plan.pipelines : plan.pipelines.toSpliced(at, 1, ...(mended === undefined ? [] : [mended]))
  const after = { pipelines, standbys: notIn(spare, mended ?? []) }
  return { plan: after, diff: planDiff(plan, after) }
}

/**
 * A fresh allocation, which may move everything: for when little is in flight, or when much has changed.
 * @returns undefined unless it is worth more than the plan (pipelines² / stages)
 */
export function reallocate(shape: ModelShape, devices: readonly Device[], plan: LayerPlan): PlanChange | undefined {
  const after = allocateLayers(shape, devices)
  return planValue(after) > planValue(plan) ? { plan: after, diff: planDiff(plan, after) } : undefined
}

function withNewPipelines(shape: ModelShape, devices: readonly Device[], plan: LayerPlan): LayerPlan {
  const made = cheapestPipelineOf(shape, devices, plan.standbys)
  if (made === undefined) return plan
  return withNewPipelines(shape, devices, { pipelines: [...plan.pipelines, made], standbys: notIn(plan.standbys, made) })
}

/** Of the networks that have one, the one that moves the fewest layers. */
function cheapestPipelineOf(shape: ModelShape, devices: readonly Device[], standbys: readonly Standby[]): Pipeline | undefined {
  const slices = new Map(standbys.map(({ peer, slice }) => [peer, slice]))
  const holders = devices
    .filter(({ peer }) => slices.has(peer))
    .map((device): Holder => ({ device, capacity: stageCapacity(shape, device.memoryBytes), held: slices.get(device.peer) }))
  const made = networksOf(devices).flatMap(network => {
    const pipeline = cheapestPipeline(holders.filter(({ device }) => networkOf(device) === network), shape.layers)
    if (pipeline === undefined) return []
    return { pipeline, cost: planDiff({ ...EMPTY_PLAN, standbys }, { ...EMPTY_PLAN, pipelines: [pipeline] }).movedLayers }
  })
  return made.toSorted((left, right) => left.cost - right.cost)[0]?.pipeline
}

function notIn(standbys: readonly Standby[], pipeline: Pipeline): Standby[] {
  const placed = new Set(pipeline.map(({ peer }) => peer))
  return standbys.filter(({ peer }) => !placed.has(peer))
}
