/**
 * How fast the origin gives a tab bytes, and how fast all tabs that it is linked with do together. The origin's time is that from a
 * question to its answer, its queue included; the neighbours' is all time in which something is wanted and the origin sends nothing: what
 * both send at once competes for one downlink, and says little of either.
 */

/** After so long a measurement counts half: ways change, and so do those who share them. */
export const RATE_HALF_LIFE_MS = 10_000
/** Measured for so long, a source has shown how slow it is, however little came. */
const ENOUGH_MS = 2_000
/** The origin is the faster source from this factor on, and until it has fallen below the other: in between, everything stays as it was. */
export const FASTER_FROM = 1.5
export const FASTER_UNTIL = 1.2

interface Measured {
  bytes: number
  ms: number
}

export interface SourceRates {
  /** From so many bytes on a rate says something, however fast they came. */
  readonly enoughBytes: number
  readonly origin: Measured
  readonly neighbours: Measured
  /** How long the origin has been sending what is not here yet. */
  originPendingMs: number
  originIsFaster: boolean
  measuredUntil: number
}

/** What went on since the last input. */
export interface SourcesAsked {
  readonly origin: boolean
  /** Something is wanted, and somebody is linked. */
  readonly neighbours: boolean
}

export function createSourceRates(enoughBytes: number): SourceRates {
  return { enoughBytes, origin: { bytes: 0, ms: 0 }, neighbours: { bytes: 0, ms: 0 }, originPendingMs: 0, originIsFaster: false, measuredUntil: 0 }
}

/** @param now milliseconds, never less than before */
export function passTime(rates: SourceRates, asked: SourcesAsked, now: number): void {
  const passed = now - rates.measuredUntil
  if (passed === 0) return
  rates.measuredUntil = now
  const left = 0.5 ** (passed / RATE_HALF_LIFE_MS)
  for (const measured of [rates.origin, rates.neighbours]) {
    measured.bytes *= left
    measured.ms *= left
  }
  if (asked.origin) rates.originPendingMs += passed
  else if (asked.neighbours) rates.neighbours.ms += passed
  compare(rates)
}

/** @param bytes of one answer; 0: it failed */
export function originSent(rates: SourceRates, bytes: number): void {
  rates.origin.bytes += bytes
  rates.origin.ms += rates.originPendingMs
  rates.originPendingMs = 0
  compare(rates)
}

/** Bytes of use, while the origin was not asked for any. */
export function neighboursSent(rates: SourceRates, bytes: number): void {
  rates.neighbours.bytes += bytes
  compare(rates)
}

/** @returns bytes per millisecond; undefined before enough was measured, or when that is too long ago */
export function rateOf({ enoughBytes, ...rates }: SourceRates, source: 'origin' | 'neighbours'): number | undefined {
  const { bytes, ms } = rates[source]
  return bytes >= enoughBytes || ms >= ENOUGH_MS ? bytes / Math.max(1, ms) : undefined
}

function compare(rates: SourceRates): void {
  const origin = rateOf(rates, 'origin')
  const neighbours = rateOf(rates, 'neighbours')
  const factor = rates.originIsFaster ? FASTER_UNTIL : FASTER_FROM
  rates.originIsFaster = origin !== undefined && neighbours !== undefined && origin > factor * neighbours
}
