/** How old a rollout is when it is learnt from. Lag counts versions, not time; queueing is part of it. */

/** Versions that were published between the weights a rollout was sampled with and the weights that learn from it. */
export function lag(learntAt: number, sampledWith: number): number {
  return learntAt - sampledWith
}

/** `histogram[k]` counts the rollouts that were learnt from at lag k. */
export type LagHistogram = number[]

export function addLag(histogram: LagHistogram, value: number): void {
  while (histogram.length <= value) histogram.push(0)
  histogram[value]!++
}

/** @returns zeros before the first learner step */
export function summariseLag(histogram: readonly number[]): { readonly mean: number; readonly max: number } {
  let count = 0
  let total = 0
  let max = 0
  for (const [value, rollouts] of histogram.entries()) {
    count += rollouts
    total += value * rollouts
    if (rollouts > 0) max = value
  }
  return { mean: count === 0 ? 0 : total / count, max }
}
