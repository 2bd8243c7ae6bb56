/** Phase 1 of Parallax (arXiv 2509.26182): which peers form pipelines, and which layers each of them holds. */
import { EMPTY_PLAN, type LayerPlan } from './layer-plan.ts'
import type { ModelShape } from './model-shape.ts'
import { groupIntoPipelines } from './pipeline-grouping.ts'
import { mostCapableFirst, networkOf, networksOf, stageCapacity, type Device } from './stage-capacity.ts'
import { orderedPipeline, type Member } from './stage-order.ts'
import { withStandbys } from './standby-slices.ts'

/**
 * Maximises pipelines² / stages in each network by itself.
 * @param devices with different peers, in any order
 * @returns the same plan for the same devices; those without a place in a pipeline stand by
 */
export function allocateLayers(shape: ModelShape, devices: readonly Device[]): LayerPlan {
  const members = devices.map(device => ({ device, capacity: stageCapacity(shape, device.memoryBytes) }))
  const useful = mostCapableFirst(members.filter(({ capacity }) => capacity.middle > 0))
  const groups = networksOf(devices).flatMap(network => regionalGroups(useful.filter(({ device }) => networkOf(device) === network), shape.layers))
  const pipelines = groups.map(group => orderedPipeline(group, shape.layers))
  const placed = new Set(groups.flat().map(({ device }) => device.peer))
  const others = mostCapableFirst(members.filter(({ device }) => !placed.has(device.peer)))
  return withStandbys(shape, devices, { ...EMPTY_PLAN, pipelines }, others.map(({ device }) => device))
}

/** Pipelines inside regions first, across them with whom that leaves, if as many pipelines come of it as without regions. */
function regionalGroups(members: readonly Member[], layers: number): Member[][] {
  const grouped = (pool: readonly Member[]): Member[][] =>
    groupIntoPipelines(pool.map(({ capacity }) => capacity), layers).map(group => group.map(index => pool[index]!))
  const anywhere = grouped(members)
  const regions = [...new Set(members.flatMap(({ device }) => device.region ?? []))].toSorted()
  if (regions.length === 0 || anywhere.length === 0) return anywhere
  const completed = (inside: readonly Member[][]): Member[][] => {
    const used = new Set(inside.flat())
    return [...inside, ...grouped(members.filter(member => !used.has(member)))]
  }
  const inside = regions.map(region => grouped(members.filter(({ device }) => device.region === region)))
  const all = completed(inside.flat())
  if (all.length >= anywhere.length) return mostValuable(all, anywhere.length)
  let kept: Member[][] = []
  for (const region of inside) {
    if (region.length > 0 && completed([...kept, ...region]).length >= anywhere.length) kept = [...kept, ...region]
  }
  return mostValuable(completed(kept), anywhere.length)
}

/** The shortest pipelines, at least `least` of them and as many as pipelines² / stages gains from. */
function mostValuable(groups: readonly Member[][], least: number): Member[][] {
  const sorted = groups.toSorted((left, right) => left.length - right.length)
  let best = 0
  let bestValue = -1
  let stages = 0
  for (const [index, group] of sorted.entries()) {
    stages += group.length
    const value = (index + 1) ** 2 / stages
    if (index + 1 < least || value <= bestValue) continue
    best = index + 1
    bestValue = value
  }
  return sorted.slice(0, best)
}
