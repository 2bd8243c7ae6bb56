/**
 * The least or greatest of the samples of the last while, in plain data. A round trip is measured by its windowed minimum, since queues
 * only ever add to it; bandwidth by its windowed maximum, since competition only ever takes from it (BBR: Cardwell et al. 2016, "Congestion-Based Congestion Control").
 */
export interface WindowedExtremum {
  readonly kind: 'minimum' | 'maximum'
  readonly windowMs: number
  /** Oldest first, each better than all after it: the first is the extremum, the others wait for it to age out. */
  samples: { readonly value: number; readonly atMs: number }[]
}

export function createWindowedExtremum(kind: 'minimum' | 'maximum', windowMs: number): WindowedExtremum {
  return { kind, windowMs, samples: [] }
}

/** @param nowMs never less than at the sample before */
export function observe(window: WindowedExtremum, value: number, nowMs: number): void {
  const stays = (former: number): boolean => (window.kind === 'minimum' ? former < value : former > value)
  while (window.samples.length > 0 && !stays(window.samples.at(-1)!.value)) window.samples.pop()
  window.samples.push({ value, atMs: nowMs })
  dropAged(window, nowMs)
}

/** @returns undefined when every sample has aged out */
export function extremum(window: WindowedExtremum, nowMs: number): number | undefined {
  dropAged(window, nowMs)
  return window.samples[0]?.value
}

function dropAged(window: WindowedExtremum, nowMs: number): void {
  while (window.samples.length > 0 && window.samples[0]!.atMs < nowMs - window.windowMs) window.samples.shift()
}
