/**
 * Phase 2 of Parallax (arXiv 2509.26182): the chain of peers that serves one lease or request, the cheapest way round from
 * layer 0 to the last and back. One generated token goes once round this ring: hidden states from stage to stage, the token from the last stage
 * to the first. So every link is passed once, in one direction, and costs half its round trip; a lone peer passes none.
 *
 * A chain may leave a slice before its end. For peers in a fixed order the cost is linear in where they hand over, so the best places are where
 * the next slice starts or the present one ends; elsewhere only matters when links are missing, or dearer than a detour.
 */
import type { ModelSlice } from '../model/tensor-names.ts'
import type { PeerId, PolicyVersion } from '../protocol/identifiers.ts'
import type { HopCost } from './hop-cost.ts'
import type { LayerRange } from './layer-range.ts'
import { oneWayDelays, type LinkMap } from './link-map.ts'
import { missingLayers, type MissingLayers, type MissingReason } from './missing-layers.ts'
import { cheapestRing, furthestLayer, type RingHost } from './ring-search.ts'
import type { ChainStage } from './stage-load.ts'

/** A peer and its slice, as the router sees them. */
export interface SliceHost {
  readonly peer: PeerId
  readonly slice: ModelSlice
  /** Policy versions that it can serve now. */
  readonly versions: readonly PolicyVersion[]
  /** Loaded, self-tested, not paused. */
  readonly ready: boolean
  /** Sequences for which it has KV memory left. */
  readonly freeRows: number
  readonly cost: HopCost
}

export interface ChainRequest {
  /** Of the whole model. */
  readonly layers: number
  readonly version: PolicyVersion
  /** Peers that failed this request before, or are not trusted with it. */
  readonly excluded?: ReadonlySet<PeerId>
}

export type ChainRoute =
  | {
      readonly kind: 'chain'
      /** They tile [0, layers); no peer comes twice. */
      readonly stages: readonly ChainStage[]
      /** Expected, of one token once round the ring. */
      readonly circuitMs: number
    }
  | { readonly kind: 'no_chain'; readonly missing: readonly MissingLayers[] }

/** Up to this many hosts, every layer is tried as a place to hand over: it costs nothing there. */
const SEARCH_EVERY_LAYER_UP_TO = 16

/** The answer depends on what is given, not on its order. */
export function routeChain(request: ChainRequest, hosts: readonly SliceHost[], links: LinkMap): ChainRoute {
  const usable = hosts
    .filter(host => obstacle(request, host) === undefined)
    .toSorted((left, right) => (left.peer < right.peer ? -1 : 1))
  const delays = oneWayDelays(links, usable.map(host => host.peer))
  const ringHosts = usable.map(({ slice, cost }): RingHost => ({ ...servedLayers(slice, request.layers), ...cost }))
  const everyLayer = usable.length <= SEARCH_EVERY_LAYER_UP_TO
  const ring = cheapestRing(request.layers, ringHosts, delays, everyLayer) ?? (everyLayer ? undefined : cheapestRing(request.layers, ringHosts, delays, true))
  if (ring === undefined) return { kind: 'no_chain', missing: whyNone(request, hosts, usable, furthestLayer(request.layers, ringHosts, delays)) }
  const stages = ring.pieces.map(({ host, start, end }): ChainStage => ({ peer: usable[host]!.peer, layers: { start, end } }))
  return { kind: 'chain', stages, circuitMs: ring.ms }
}

/** @returns why the host cannot serve the request */
function obstacle({ version, excluded }: ChainRequest, host: SliceHost): Exclude<MissingReason, 'no_link'> | undefined {
  if (!host.ready || excluded?.has(host.peer) === true) return 'absent_peer'
  if (!host.versions.includes(version)) return 'stale_version'
  return host.freeRows < 1 ? 'no_memory' : undefined
}

/** The reason nearest to being served: full memory frees itself, a version arrives, a peer has yet to be found. */
const NEAREST_FIRST = ['no_memory', 'stale_version', 'absent_peer'] as const

function whyNone(request: ChainRequest, hosts: readonly SliceHost[], usable: readonly SliceHost[], reached: number): MissingLayers[] {
  const reasons = Array.from({ length: request.layers }, (_, layer): MissingReason | undefined => {
    const hosting = ({ slice }: SliceHost): boolean => {
      const { start, end } = servedLayers(slice, request.layers)
      return start <= layer && layer < end
    }
    if (usable.some(hosting)) return undefined
    const obstacles = hosts.filter(hosting).map(host => obstacle(request, host))
    return NEAREST_FIRST.find(reason => obstacles.includes(reason)) ?? 'absent_peer'
  })
  if (reasons.some(reason => reason !== undefined)) return missingLayers(reasons)
  const unreached = reached < request.layers ? reached : Math.max(...usable.filter(({ slice }) => servedLayers(slice, request.layers).end === request.layers).map(({ slice }) => slice.start))
  return missingLayers(reasons.map((_, layer) => (layer >= unreached ? 'no_link' : undefined)))
}

/** The first layer is served by whoever has the embedding too, the last one by whoever has the head. */
function servedLayers({ start, end, embed, head }: ModelSlice, layers: number): LayerRange {
  return { start: start === 0 && !embed ? 1 : start, end: end === layers && !head ? layers - 1 : end }
}
