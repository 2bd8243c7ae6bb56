/**
 * What one layer costs one peer, as a line over the rows of a batch: fixed + perRow · rows. The fixed part (weights read, kernels
 * dispatched) is what batching shares. Fitted to measured steps, which are forgotten exponentially. The slope is fitted to the
 * differences of successive steps by least squares, since the speed of the moment cancels there: against the steps themselves,
 * a tab that is throttled while its batches grow would seem to have dear rows. A difference counts as much as it stands out from
 * those of steps of one size, which are noise, beside what was known of the slope (recursive least squares with a prior: Ljung
 * 1999, "System Identification", §11.2): one row more or less says nothing on a busy machine.
 */

/** Milliseconds per layer. Rows are sequences in decode, prompt tokens in prefill. */
export interface LayerCost {
  readonly fixedMs: number
  readonly perRowMs: number
}

export function layerMs(cost: LayerCost, rows: number): number {
  return cost.fixedMs + cost.perRowMs * rows
}

/** Plain data. */
export interface LayerCostFit {
  /** Of the decayed samples: how many, and their means. */
  weight: number
  meanRows: number
  meanMs: number
  /** Decayed sum of squared differences of rows. */
  slopeWeight: number
  /** Mean squared difference of successive steps of one size, as a share of the mean step's square, and how many it is of; decayed. */
  noise: number
  noiseWeight: number
  line: LayerCost
  last: { readonly rows: number; readonly ms: number; readonly atMs: number }
}

/** Short, so that a tab that is throttled is known within seconds. */
export const COST_HALF_LIFE_MS = 5_000
/** Steps further apart may have run at different speeds. */
const SUCCESSIVE_WITHIN_MS = 2_000

/** Standard deviation of one step, as a share, as long as no two of one size were seen. */
const ASSUMED_NOISE = 0.15
/** Standard deviation of what is known of the slope, as a share of the mean cost of a row. */
const SLOPE_DEVIATION = 0.3

/** Before batches of different size were seen, all cost is taken to be per row: gains by batching are believed when they are measured. */
export function createLayerCostFit(): LayerCostFit {
  return { weight: 0, meanRows: 0, meanMs: 0, slopeWeight: 0, noise: 0, noiseWeight: 0, line: { fixedMs: 0, perRowMs: 1 }, last: { rows: 0, ms: 0, atMs: 0 } }
}

/**
 * @param rows 1 or more
 * @param ms what the step took, divided by the layers that it ran
 * @param nowMs never less than at the sample before
 */
export function observeLayerCost(fit: LayerCostFit, { rows, ms }: { readonly rows: number; readonly ms: number }, nowMs: number): void {
  const { last } = fit
  const kept = 0.5 ** ((nowMs - last.atMs) / COST_HALF_LIFE_MS)
  const successive = fit.weight > 0 && nowMs - last.atMs <= SUCCESSIVE_WITHIN_MS
  const moreRows = successive ? rows - last.rows : 0
  fit.weight = fit.weight * kept + 1
  fit.meanRows += (rows - fit.meanRows) / fit.weight
  fit.meanMs += (ms - fit.meanMs) / fit.weight
  fit.slopeWeight = fit.slopeWeight * kept + moreRows ** 2
  if (successive && moreRows === 0) observeNoise(fit, ms - last.ms, kept)
  fit.last = { rows, ms, atMs: nowMs }
  fit.line = scaledThroughMean(fit)
  if (moreRows === 0) return
  const { perRowMs } = fit.line
  fit.line = throughMean(fit, perRowMs + (moreRows * (ms - last.ms - perRowMs * moreRows)) / (fit.slopeWeight + priorWeight(fit)))
}

function observeNoise(fit: LayerCostFit, difference: number, kept: number): void {
  fit.noiseWeight = fit.noiseWeight * kept + 1
  const share = fit.meanMs === 0 ? 0 : (difference / fit.meanMs) ** 2
  fit.noise += (share - fit.noise) / fit.noiseWeight
}

/** In squared rows, as `slopeWeight`: the variance of a difference over that of the slope. */
function priorWeight({ noise, noiseWeight, meanRows }: LayerCostFit): number {
  const variance = noiseWeight === 0 ? 2 * ASSUMED_NOISE ** 2 : noise
  return (variance / SLOPE_DEVIATION ** 2) * meanRows ** 2
}

/** @returns undefined before the first sample */
export function fittedLayerCost(fit: LayerCostFit): LayerCost | undefined {
  return fit.weight === 0 ? undefined : fit.line
}

/** A slope or an intercept below zero is noise: the other part then carries all. */
function throughMean({ meanRows, meanMs }: LayerCostFit, slope: number): LayerCost {
  const perRowMs = Math.min(Math.max(slope, 0), meanMs / meanRows)
  return { fixedMs: Math.max(0, meanMs - perRowMs * meanRows), perRowMs }
}

/** A tab that works at one batch size is still seen to slow down: as a whole, as throttled machines do. */
function scaledThroughMean({ line, meanRows, meanMs }: LayerCostFit): LayerCost {
  const former = layerMs(line, meanRows)
  return former === 0 ? { fixedMs: meanMs, perRowMs: 0 } : { fixedMs: (line.fixedMs * meanMs) / former, perRowMs: (line.perRowMs * meanMs) / former }
}
