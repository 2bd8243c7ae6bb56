/**
 * How many micro-batches a pipeline keeps going. Few are large, which engines like; many keep every stage at work while
 * others are on the wire (the trade of Huang et al. 2019, "GPipe", §2.3, with links instead of backward passes).
 */
import { layerMs, type LayerCost } from '../scheduling/layer-cost.ts'

/** So many, or as many as these costs make best for the sequences of the moment. */
export type MicroBatching = number | Ring

export interface RingStage {
  readonly layers: number
  /** Of one decode step. */
  readonly cost: LayerCost
}

export interface Ring {
  readonly stages: readonly RingStage[]
  /** One way round: all links between stages, and the one that returns the token. */
  readonly linksMs: number
}

/** Steps differ in length: what goes round among others takes so much longer than the sum of its parts (two stages with a micro-batch each stood idle for 12 % of the time). */
const UNEVENNESS = 0.12
/** Rounds so nearly the shortest count as equally short: lines of cost flatter batches that are smaller than any measured. */
const NEARLY = 0.05

/** Milliseconds from one token of a sequence to its next, with `sequences` in equal micro-batches. */
export function roundMs({ stages, linksMs }: Ring, sequences: number, microBatches: number): number {
  const rows = Math.ceil(sequences / microBatches)
  const costs = stages.map(({ layers, cost }) => layers * layerMs(cost, rows))
  const alone = costs.reduce((sum, cost) => sum + cost, linksMs)
  return microBatches === 1 ? alone : Math.max(alone * (1 + UNEVENNESS), microBatches * Math.max(...costs))
}

/** @returns how many micro-batches to keep going for so many sequences */
export function microBatchesFor(batching: MicroBatching, sequences: number, maxRows: number): number {
  return typeof batching === 'number' ? batching : bestMicroBatches(batching, Math.max(1, sequences), maxRows)
}

/**
 * @param sequences 1 or more
 * @param maxRows most sequences in one micro-batch
 * @returns the smallest count whose round is nearly the shortest; at least what `maxRows` needs
 */
export function bestMicroBatches(ring: Ring, sequences: number, maxRows: number): number {
  const least = Math.max(1, Math.ceil(sequences / maxRows))
  const rounds = Array.from({ length: Math.max(1, sequences - least + 1) }, (_, more) => roundMs(ring, sequences, least + more))
  const goodEnough = Math.min(...rounds) * (1 + NEARLY)
  return least + rounds.findIndex(ms => ms <= goodEnough)
}
