/** A made-up fleet of unequal tabs: lognormal speeds and uplinks, regions on a plane where distance is delay. */
import type { Rng } from '../random/rng.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import type { LayerCost } from '../scheduling/layer-cost.ts'

export interface SimulatedPeer {
  readonly peer: PeerId
  readonly decode: LayerCost
  readonly prefill: LayerCost
  readonly uplinkBytesPerSecond: number
  /** Layers that fit in its memory. */
  readonly layersMost: number
  /** Milliseconds of one-way delay. */
  readonly x: number
  readonly y: number
}

export interface FleetShape {
  readonly peers: number
  readonly regions: number
  /** One-way delay from the middle of the map to a region, and from there to a peer, at most. */
  readonly regionsApartMs: number
  readonly regionRadiusMs: number
  readonly layersMost: readonly [least: number, most: number]
}

/** Of a step of one layer, at the median: what a laptop's GPU takes for 15 million parameters. */
const MEDIAN_FIXED_MS = 1.5
const ROW_TO_FIXED = 0.1
const PROMPT_TOKEN_TO_FIXED = 0.03
const SPEED_SPREAD = 0.7
const MEDIAN_UPLINK = 1_250_000
const UPLINK_SPREAD = 0.6

export function randomFleet(shape: FleetShape, rng: Rng): SimulatedPeer[] {
  return Array.from({ length: shape.peers }, (_, index) => {
    const angle = (2 * Math.PI * (index % shape.regions)) / shape.regions
    const apart = shape.regions === 1 ? 0 : shape.regionsApartMs
    const fixedMs = MEDIAN_FIXED_MS * lognormal(SPEED_SPREAD, rng)
    const [least, most] = shape.layersMost
    return {
      peer: `tab-${String(index).padStart(4, '0')}`,
      decode: { fixedMs, perRowMs: fixedMs * ROW_TO_FIXED },
      prefill: { fixedMs, perRowMs: fixedMs * PROMPT_TOKEN_TO_FIXED },
      uplinkBytesPerSecond: MEDIAN_UPLINK * lognormal(UPLINK_SPREAD, rng),
      layersMost: least + rng.below(most - least + 1),
      x: apart * Math.cos(angle) + shape.regionRadiusMs * (2 * rng.float() - 1),
      y: apart * Math.sin(angle) + shape.regionRadiusMs * (2 * rng.float() - 1)
    }
  })
}

/** No link is faster than a millisecond. */
export function oneWayMs(from: SimulatedPeer, to: SimulatedPeer): number {
  return from === to ? 0 : 1 + Math.hypot(from.x - to.x, from.y - to.y)
}

/** Box & Muller 1958. Median 1. */
function lognormal(spread: number, rng: Rng): number {
  return Math.exp(spread * Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float()))
}
