/** What a pipeline costs a request, for the choice among pipelines, and what its stages and links cost a micro-batch. */
import type { Ring } from '../pipeline/micro-batching.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import type { PipelineOpen } from '../protocol/stage-messages.ts'
import { layerMs } from '../scheduling/layer-cost.ts'
import { hopCost, type RequestShape } from '../scheduling/hop-cost.ts'
import type { Pipeline } from '../scheduling/layer-plan.ts'
import { rangeLength } from '../scheduling/layer-range.ts'
import { measuredRoundTrip, UNKNOWN_ROUND_TRIP_MS } from '../scheduling/link-map.ts'
import type { PersonsRequest, ServingPipeline, ServingState } from './serving-state.ts'
import { UNMEASURED_COST } from './slice-hosts.ts'

/** Costs that differ by less than this part are the same: a profile is never quite what it was. */
const SAME_COST = 0.2

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

/** @returns the same while it serves nobody, without any prompt */
export function idleTokenMs(state: ServingState, { stages }: ServingPipeline): number {
  return stages.reduce((sum, { peer, slice }) => sum + rangeLength(slice) * layerMs((state.hosts.get(peer)?.profile ?? UNMEASURED_COST).decode, 1), linksMs(state, stages))
}

/** Sequences of one micro-batch that every stage takes. */
export function rowsOf(state: ServingState, stages: Pipeline): number {
  return Math.min(...stages.map(({ peer }) => state.hosts.get(peer)?.ready?.rows ?? 0))
}

export function freeRows({ rows, sequences }: ServingPipeline): number {
  return Math.max(0, rows - sequences.size)
}

/** By these costs the first stage cuts its sequences into micro-batches. */
export function ringOf(state: ServingState, stages: Pipeline): PipelineOpen['ring'] {
  return {
    stages: stages.map(({ peer, slice }) => {
      const { fixedMs, perRowMs } = (state.hosts.get(peer)?.profile ?? UNMEASURED_COST).decode
      return { layers: rangeLength(slice), cost: { fixedMs, perRowMs } }
    }),
    linksMs: linksMs(state, stages)
  }
}

/** Whether micro-batches that are best for one are about best for the other. */
export function isSameRing(one: Ring, other: Ring, rows: number): boolean {
  const costs = ({ stages, linksMs }: Ring): number[] => [linksMs, ...stages.flatMap(({ layers, cost }) => [layers * layerMs(cost, 1), layers * layerMs(cost, rows)])]
  const others = costs(other)
  return costs(one).every((cost, index) => Math.abs(cost - others[index]!) <= SAME_COST * Math.max(cost, others[index]!))
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
