import type { BulkSample } from '../pages/links.ts'
import { median } from '../benchmark.ts'

export interface BulkFigures {
  /** Until the last sample. */
  readonly seconds: number
  /** 10⁶ bits per second, like all rates here. */
  readonly averageMbit: number
  /** Of every whole second but the last, which may be a part of one. */
  readonly perSecondMbit: readonly number[]
  /** The least of `perSecondMbit` from the third second on; NaN when there is none. */
  readonly worstMbit: number
  /** Seconds with less than a tenth of the median second. */
  readonly stalls: number
}

const SETTLED_SECONDS = 2
const STALL_FRACTION = 0.1

/** @param samples what had arrived, by time; the bulk begins at 0 ms with 0 bytes */
export function bulkFigures(samples: readonly BulkSample[]): BulkFigures {
  const { ms, bytes } = samples.at(-1)!
  const wholeSeconds = Math.floor(ms / 1000)
  const arrived = Array.from({ length: wholeSeconds + 1 }, (_, second) => bytesAt(samples, 1000 * second))
  const perSecondMbit = arrived.slice(1).map((total, index) => (8 * (total - arrived[index]!)) / 1e6)
  const typical = perSecondMbit.length === 0 ? 0 : median(perSecondMbit)
  return {
    seconds: ms / 1000,
    averageMbit: (8 * bytes) / 1000 / ms,
    perSecondMbit,
    worstMbit: perSecondMbit.length > SETTLED_SECONDS ? Math.min(...perSecondMbit.slice(SETTLED_SECONDS)) : Number.NaN,
    stalls: perSecondMbit.filter(rate => rate < STALL_FRACTION * typical).length
  }
}

/** Between two samples bytes are taken to arrive evenly. */
function bytesAt(samples: readonly BulkSample[], ms: number): number {
  const after = samples.findIndex(sample => sample.ms >= ms)
  const next = samples[after]!
  const previous = after > 0 ? samples[after - 1]! : { ms: 0, bytes: 0 }
  return next.ms === previous.ms ? next.bytes : previous.bytes + ((next.bytes - previous.bytes) * (ms - previous.ms)) / (next.ms - previous.ms)
}

/** @param fraction 0.95 for the value that 95 % of them do not exceed */
export function quantile(values: readonly number[], fraction: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(fraction * values.length) - 1)]!
}
