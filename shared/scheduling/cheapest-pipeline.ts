/**
 * The pipeline for which the fewest layers must be loaded, given what everybody holds already. It is what repairs a
 * pipeline (a neighbour with room extends, a standby takes the slice, or both) and what makes a new one of standbys.
 */
import type { ModelSlice } from '../model/tensor-names.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import { overlap, stageSlice } from './layer-range.ts'
import type { Pipeline } from './layer-plan.ts'
import { withoutSpare } from './pipeline-grouping.ts'
import { PriorityQueue } from './priority-queue.ts'
import { canHoldAll, capacityInRole, mostCapableFirst } from './stage-capacity.ts'
import { orderedPipeline, type Member } from './stage-order.ts'

/** A member of a pipeline to be, with the layers that it holds now. */
export interface Holder extends Member {
  readonly held: ModelSlice | undefined
}

/** Of holders of the same layers only the most capable are considered: they can stand in for the others. */
const ALIKE_HOLDERS = 8
/** Partial pipelines looked at before the search gives up being optimal. */
const SEARCH_STEPS = 60_000

/** Stages that tile [0, end), linked from the last to the first. */
interface PartialPipeline {
  readonly before: PartialPipeline | undefined
  readonly holder: Holder | undefined
  readonly end: number
  readonly moved: number
  readonly crossings: number
  readonly stages: number
  readonly slowestMs: number
}

/**
 * Uniform-cost search over (layers tiled, peers used) with a bound on what is still to be loaded (A*, Hart, Nilsson and
 * Raphael 1968). Of equally cheap pipelines the one with the fewest changes of region, then stages, then the fastest slowest
 * stage.
 * @returns undefined when these holders cannot hold all layers
 */
export function cheapestPipeline(holders: readonly Holder[], layers: number): Pipeline | undefined {
  const useful = mostCapableFirst(holders.filter(({ capacity }) => capacity.middle > 0))
  if (!canHoldAll(useful.map(({ capacity }) => capacity), layers)) return undefined
  return leastMoved(mostCapableOfAlike(useful), layers) ?? anyPipeline(useful, layers)
}

function leastMoved(holders: readonly Holder[], layers: number): Pipeline | undefined {
  const unheldFrom = unheldLayers(holders, layers)
  const largest = holders[0]!.capacity.middle
  const queue = new PriorityQueue<PartialPipeline>()
  const done = new Set<string>()
  const push = (partial: PartialPipeline): void => {
    const stagesLeft = Math.ceil((layers - partial.end) / largest)
    queue.push(partial, [partial.moved + unheldFrom[partial.end]!, partial.crossings, partial.stages + stagesLeft, partial.slowestMs])
  }
  push({ before: undefined, holder: undefined, end: 0, moved: 0, crossings: 0, stages: 0, slowestMs: 0 })
  let steps = 0
  for (let partial = queue.pop(); partial !== undefined && steps < SEARCH_STEPS; partial = queue.pop()) {
    if (partial.end === layers) return toPipeline(partial, layers)
    const used = usedBy(partial)
    const key = `${partial.end} ${partial.holder?.device.region ?? ''} ${[...used].toSorted().join(' ')}`
    if (done.has(key)) continue
    done.add(key)
    for (const holder of holders) {
      if (used.has(holder.device.peer)) continue
      for (let end = partial.end + 1; end <= layers; end++) {
        const slice = stageSlice(layers, partial.end, end)
        if (end - partial.end > capacityInRole(holder.capacity, slice)) continue
        steps++
        push(extended(partial, holder, slice))
      }
    }
  }
  return undefined
}

function extended(partial: PartialPipeline, holder: Holder, slice: ModelSlice): PartialPipeline {
  const { start, end } = slice
  const crosses = partial.holder !== undefined && partial.holder.device.region !== holder.device.region
  return {
    before: partial,
    holder,
    end,
    moved: partial.moved + (end - start) - overlap(slice, holder.held),
    crossings: partial.crossings + (crosses ? 1 : 0),
    stages: partial.stages + 1,
    slowestMs: Math.max(partial.slowestMs, (end - start) / holder.device.layersPerMs)
  }
}

function usedBy(partial: PartialPipeline): Set<PeerId> {
  const used = new Set<PeerId>()
  for (let stage: PartialPipeline | undefined = partial; stage?.holder !== undefined; stage = stage.before) used.add(stage.holder.device.peer)
  return used
}

function toPipeline(complete: PartialPipeline, layers: number): Pipeline {
  const stages = []
  for (let stage = complete; stage.holder !== undefined; stage = stage.before!) {
    stages.push({ peer: stage.holder.device.peer, slice: stageSlice(layers, stage.before!.end, stage.end) })
  }
  return stages.toReversed()
}

/** For each layer how many from it to the end nobody holds: at least these must be loaded. */
function unheldLayers(holders: readonly Holder[], layers: number): number[] {
  const unheld = Array.from({ length: layers + 1 }, () => 0)
  for (let layer = layers - 1; layer >= 0; layer--) {
    const isHeld = holders.some(({ held }) => overlap(held, { start: layer, end: layer + 1 }) > 0)
    unheld[layer] = unheld[layer + 1]! + (isHeld ? 0 : 1)
  }
  return unheld
}

function mostCapableOfAlike(sorted: readonly Holder[]): Holder[] {
  const seen = new Map<string, number>()
  return sorted.filter(({ held, device }) => {
    const key = `${held?.start} ${held?.end} ${device.region}`
    const count = (seen.get(key) ?? 0) + 1
    seen.set(key, count)
    return count <= ALIKE_HOLDERS
  })
}

/** Without regard to who holds what; for more holders than the search can go through. */
function anyPipeline(sorted: readonly Holder[], layers: number): Pipeline {
  const capacities = sorted.map(({ capacity }) => capacity)
  return orderedPipeline(withoutSpare(capacities.map((_, index) => index), capacities, layers).map(index => sorted[index]!), layers)
}
