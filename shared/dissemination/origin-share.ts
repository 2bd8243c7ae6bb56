/**
 * How large a part of the origin's one copy a tab takes: in proportion to the speed at which pieces leave it, since whatever it takes it
 * has to hand on to all others. A chunk that only a slow tab has holds up everybody.
 */

/** In bytes per second; undefined: not measured lately. */
export type Uplink = number | undefined

/** Of what the typical tab counts. A tab that says it is faster than that may be wrong, and would hold up the others with more than it can hand on. */
const MOST = 8
const LEAST = 1 / 8

/**
 * @param own the tab's
 * @param all those of everybody who takes a part, its own included; who was not measured counts as typical
 * @returns chunks of `total`, at least one; the parts of all come to no less than everything
 */
export function originShare(total: number, own: Uplink, all: readonly Uplink[]): number {
  const typical = medianOf(all.filter(uplink => uplink !== undefined))
  const weightOf = (uplink: Uplink): number => (uplink === undefined || typical === 0 ? 1 : Math.min(MOST, Math.max(LEAST, uplink / typical)))
  const sum = all.reduce((sum: number, uplink) => sum + weightOf(uplink), 0)
  return Math.max(1, Math.ceil((total * weightOf(own)) / Math.max(sum, weightOf(own))))
}

/** 0 when there are none. */
function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = sorted.length / 2
  return sorted.length === 0 ? 0 : (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
}
