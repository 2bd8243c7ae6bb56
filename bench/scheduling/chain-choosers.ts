/** Ways to place layers and to choose a chain for a request, for the same simulated fleet. */
import type { ModelSlice } from '#shared/model/tensor-names.ts'
import type { PeerId } from '#shared/protocol/identifiers.ts'
import { routeChain, type SliceHost } from '#shared/scheduling/chain-routing.ts'
import { hopCost, type RequestShape } from '#shared/scheduling/hop-cost.ts'
import { planMembers } from '#shared/scheduling/layer-plan.ts'
import { createLinkMap, reportRoundTrips, type LinkMap } from '#shared/scheduling/link-map.ts'
import type { ModelShape } from '#shared/scheduling/model-shape.ts'
import { allocateLayers } from '#shared/scheduling/pipeline-allocation.ts'
import { regionsOf } from '#shared/scheduling/regions.ts'
import { loadOf, type ChainStage } from '#shared/scheduling/stage-load.ts'
import { oneWayMs, type SimulatedPeer } from '#shared/simulation/fleet.ts'
import type { ServingOptions, ServingView } from '#shared/simulation/serving.ts'

export type Chooser = Pick<ServingOptions, 'choose' | 'batchMost'>

/** Rows that a tab has KV memory for. */
const ROWS_PER_TAB = 64

function linksOf(fleet: readonly SimulatedPeer[]): LinkMap {
  const links = createLinkMap()
  for (const from of fleet) reportRoundTrips(links, from.peer, fleet.filter(to => to !== from).map(to => ({ peer: to.peer, ms: 2 * oneWayMs(from, to) })))
  return links
}

function allocation(fleet: readonly SimulatedPeer[], model: ModelShape) {
  const regions = regionsOf(linksOf(fleet), fleet.map(({ peer }) => peer))
  return allocateLayers(model, fleet.map(({ peer, decode, layersMost }) => ({ peer, memoryBytes: layersMost * model.layerBytes, layersPerMs: 1 / (decode.fixedMs + decode.perRowMs), region: regions.get(peer)! })))
}

/** Layers as allocated, a chain by cost for every request. */
export function murmurationChooser(fleet: readonly SimulatedPeer[], model: ModelShape, shape: RequestShape): Chooser {
  const links = linksOf(fleet)
  const slices = planMembers(allocation(fleet, model)).flatMap(({ peer, slice }) => (slice === undefined ? [] : [{ peer, slice }]))
  return { batchMost: ROWS_PER_TAB, choose: view => costChosen(view, slices, links, model.layers, shape) }
}

function costChosen(view: ServingView, slices: readonly { readonly peer: PeerId; readonly slice: ModelSlice }[], links: LinkMap, layers: number, shape: RequestShape) {
  const hosts = slices.map(({ peer, slice }): SliceHost => {
    const load = loadOf(view.loads, peer)
    return { peer, slice, versions: [0], ready: view.present.has(peer), freeRows: ROWS_PER_TAB - load.rows, cost: hopCost(view.profileOf(peer), load, shape) }
  })
  const route = routeChain({ layers, version: 0 }, hosts, links)
  return route.kind === 'chain' ? route.stages : undefined
}

/** The same allocation, its pipelines in turn, those with an absent member left out: the default of the published Parallax code. */
export function roundRobinChooser(fleet: readonly SimulatedPeer[], model: ModelShape): Chooser {
  const { pipelines } = allocation(fleet, model)
  let turn = 0
  return {
    batchMost: ROWS_PER_TAB,
    choose: ({ present }) => {
      const whole = pipelines.filter(pipeline => pipeline.every(({ peer }) => present.has(peer)))
      return whole.length === 0 ? undefined : whole[turn++ % whole.length]!.map(({ peer, slice }) => ({ peer, layers: slice }))
    }
  }
}

/**
 * In the manner of Petals (arXiv 2312.08361): a joiner takes as many layers as it can where the least throughput is hosted (there, clients hold
 * embedding and head), and a chain takes the nearest host of the next layer, to the end of its slice. `batching` off is as in its servers, which run one sequence at a time.
 */
export function petalsLikeChooser(fleet: readonly SimulatedPeer[], layers: number, { batching }: { batching: boolean }): Chooser {
  const throughput = Array.from({ length: layers }, () => 0)
  const hosts = fleet.map(peer => {
    const length = Math.min(layers, peer.layersMost)
    const hosted = (start: number): number => throughput.slice(start, start + length).reduce((sum, each) => sum + each, 0)
    const start = Array.from({ length: layers - length + 1 }, (_, start) => start).reduce((best, start) => (hosted(start) < hosted(best) ? start : best), 0)
    for (let layer = start; layer < start + length; layer++) throughput[layer]! += 1 / peer.decode.fixedMs
    return { peer, start, end: start + length }
  })
  let client = 0
  return {
    batchMost: batching ? ROWS_PER_TAB : 1,
    choose: ({ present }) => {
      const chain: ChainStage[] = []
      let at = fleet[client++ % fleet.length]!
      for (let layer = 0; layer < layers; ) {
        const here = hosts.filter(({ peer, start, end }) => start <= layer && layer < end && present.has(peer.peer))
        const from = at
        const nearest = here.toSorted((left, right) => oneWayMs(from, left.peer) - oneWayMs(from, right.peer))[0]
        if (nearest === undefined) return undefined
        chain.push({ peer: nearest.peer.peer, layers: { start: layer, end: nearest.end } })
        layer = nearest.end
        at = nearest.peer
      }
      return chain
    }
  }
}
