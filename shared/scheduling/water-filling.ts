/**
 * How many layers each stage of a pipeline takes: in proportion to its speed, like water that rises in vessels of
 * different width until each is full (Parallax, arXiv 2509.26182, phase 1). All stages then need about the same time for
 * their layers, except those whose memory is full.
 * @param capacities the most layers of each stage, at least 1
 * @param speeds of each stage, above 0, in any unit
 * @returns layers of each stage, at least 1 and at most its capacity, that sum to `layers`
 * @throws {RangeError} when there are more stages than layers, or not enough capacity
 */
export function waterFill(layers: number, capacities: readonly number[], speeds: readonly number[]): number[] {
  const most = capacities.reduce((total, capacity) => total + capacity, 0)
  if (layers < capacities.length || layers > most || capacities.some(capacity => capacity < 1)) {
    throw new RangeError(`${layers} layers do not fit ${capacities.length} stages of [${capacities}]`)
  }
  const level = waterLevel(layers, capacities, speeds)
  const exact = capacities.map((capacity, stage) => Math.max(1, Math.min(capacity, level * speeds[stage]!)))
  const filled = exact.map(Math.floor)
  const missing = layers - filled.reduce((total, count) => total + count, 0)
  const byRemainder = exact
    .map((share, stage) => ({ stage, remainder: share - filled[stage]! }))
    .filter(({ stage }) => filled[stage]! < capacities[stage]!)
    .toSorted((left, right) => right.remainder - left.remainder || left.stage - right.stage)
  for (const { stage } of byRemainder.slice(0, missing)) filled[stage]!++
  return filled
}

/** The time λ (in layers per unit of speed) at which Σ clamp(λ · speed, 1, capacity) = layers: piecewise linear in λ, solved piece by piece. */
function waterLevel(layers: number, capacities: readonly number[], speeds: readonly number[]): number {
  const bends = capacities
    .flatMap((capacity, stage) => [
      { at: 1 / speeds[stage]!, rate: speeds[stage]! },
      { at: capacity / speeds[stage]!, rate: -speeds[stage]! }
    ])
    .toSorted((left, right) => left.at - right.at)
  let total = capacities.length
  let rate = 0
  let level = 0
  for (const bend of bends) {
    const next = total + rate * (bend.at - level)
    if (next >= layers && rate > 0) return level + (layers - total) / rate
    ;[total, level, rate] = [next, bend.at, rate + bend.rate]
  }
  return level
}
