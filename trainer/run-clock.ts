/** Milliseconds since the epoch on a clock that never goes back. */
export function now(): number {
  return Math.round(performance.timeOrigin + performance.now())
}
