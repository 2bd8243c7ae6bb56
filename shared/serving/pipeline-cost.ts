/** What a pipeline costs a request, for the choice among pipelines, and how many micro-batches keep its stages busy. */
import { bestMicroBatches } from '../pipeline/micro-batching.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import { hopCost, type RequestShape } from '../scheduling/hop-cost.ts'
import type { Pipeline } from '../scheduling/layer-plan.ts'
import { rangeLength } from '../scheduling/layer-range.ts'
import { measuredRoundTrip, UNKNOWN_ROUND_TRIP_MS } from '../scheduling/link-map.ts'
import type { PersonsRequest, ServingPipeline, ServingState } from './serving-state.ts'
import { UNMEASURED_COST } from './slice-hosts.ts'

/** Of the protocol's `place_assigned`. */
const MICRO_BATCHES_MOST = 64

/** @returns expected milliseconds of one token once round the pipeline, with what it serves already (see chain-routing.ts) */
export function tokenMs(state: ServingState, { stages, sequences }: ServingPipeline, { prompt, maxTokens }: PersonsRequest): number {
  const shape: RequestShape = { promptTokens: prompt.length, newTokens: maxTokens, hiddenBytes: state.model.hiddenBytes }
  const rows = sequences.size
  const costs = stages.map(({ peer, slice }, stage) => {
    const layers = rangeLength(slice)
    const { layerMs, queueMs, sendMs } = hopCost(state.hosts.get(peer)?.profile ?? UNMEASURED_COST, { rows, rowLayers: rows * layers }, shape)
    return layerMs * layers + queueMs + (stage === stages.length - 1 ? 0 : sendMs)
  })
  return costs.reduce((sum, cost) => sum + cost, linksMs(state, stages))
}

/** Sequences of one micro-batch that every stage takes. */
export function rowsOf(state: ServingState, stages: Pipeline): number {
  return Math.min(...stages.map(({ peer }) => state.hosts.get(peer)?.ready?.rows ?? 0))
}

export function freeRows({ rows, sequences }: ServingPipeline): number {
  return Math.max(0, rows - sequences.size)
}

export function microBatchesOf(state: ServingState, stages: Pipeline): number {
  const ring = {
    stages: stages.map(({ peer, slice }) => ({ layers: rangeLength(slice), cost: (state.hosts.get(peer)?.profile ?? UNMEASURED_COST).decode })),
    linksMs: linksMs(state, stages)
  }
  const rows = rowsOf(state, stages)
  return Math.min(MICRO_BATCHES_MOST, bestMicroBatches(ring, rows, rows))
}

export function isUnlinkable({ links }: ServingState, a: PeerId, b: PeerId): boolean {
  return links.unlinkable.get(a)?.has(b) === true
}

/** Of every stage to the next, and from the last to the first; none in a pipeline of one stage. */
export function neighbours(stages: Pipeline): { readonly from: PeerId; readonly to: PeerId }[] {
  return stages.length === 1 ? [] : stages.map(({ peer }, stage) => ({ from: peer, to: stages[(stage + 1) % stages.length]!.peer }))
}

/** Once round. What the server passes on takes two ways, of which nothing is known. */
export function linksMs(state: ServingState, stages: Pipeline): number {
  return neighbours(stages).reduce((sum, { from, to }) => sum + (isUnlinkable(state, from, to) ? UNKNOWN_ROUND_TRIP_MS : (measuredRoundTrip(state.links, from, to) ?? UNKNOWN_ROUND_TRIP_MS) / 2), 0)
}
