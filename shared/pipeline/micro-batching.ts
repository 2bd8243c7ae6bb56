/**
 * How many micro-batches a pipeline keeps going. Few are large, which engines like; many keep every stage at work while
 * others are on the wire (the trade of Huang et al. 2019, "GPipe", §2.3, with links instead of backward passes).
 */
import { layerMs, type LayerCost } from '../scheduling/layer-cost.ts'

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

/** Milliseconds from one token of a sequence to its next, with `sequences` in equal micro-batches. */
export function roundMs({ stages, linksMs }: Ring, sequences: number, microBatches: number): number {
  const rows = Math.ceil(sequences / microBatches)
  const costs = stages.map(({ layers, cost }) => layers * layerMs(cost, rows))
  const alone = costs.reduce((sum, cost) => sum + cost, linksMs)
  return Math.max(alone, microBatches * Math.max(...costs))
}

/**
 * @param maxRows most sequences in one micro-batch
 * @returns the count with the shortest round, and of equal ones the smallest; at least what `maxRows` needs
 */
export function bestMicroBatches(ring: Ring, sequences: number, maxRows: number): number {
  let best = Math.max(1, Math.ceil(sequences / maxRows))
  for (let count = best + 1; count <= sequences; count++) if (roundMs(ring, sequences, count) < roundMs(ring, sequences, best)) best = count
  return best
}
