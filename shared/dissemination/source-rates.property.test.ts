import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { createSourceRates, FASTER_FROM, FASTER_UNTIL, neighboursSent, originSent, passTime, rateOf, RATE_HALF_LIFE_MS, type SourceRates } from './source-rates.ts'

const ENOUGH_BYTES = 500_000
const CHUNK_BYTES = 250_000

/** In turn a chunk from the origin, and as long a time in which the neighbours alone send; rates in bytes per millisecond. */
function measure(rates: SourceRates, origin: number, neighbours: number, untilMs: number): void {
  while (rates.measuredUntil < untilMs) {
    const chunkMs = CHUNK_BYTES / origin
    passTime(rates, { origin: true, neighbours: true }, rates.measuredUntil + chunkMs)
    originSent(rates, CHUNK_BYTES)
    for (let piece = 0; piece < 10; piece++) {
      passTime(rates, { origin: false, neighbours: true }, rates.measuredUntil + chunkMs / 10)
      neighboursSent(rates, (neighbours * chunkMs) / 10)
    }
  }
}

const rate = fc.double({ min: 50, max: 5_000, noNaN: true })

test('whatever the rates are and were, a source that is clearly faster is found to be so, and one that is not is not', () => {
  fc.assert(
    fc.property(rate, rate, rate, rate, (firstOrigin, firstNeighbours, origin, neighbours) => {
      const rates = createSourceRates(ENOUGH_BYTES)
      measure(rates, firstOrigin, firstNeighbours, 30_000)
      // What was before has faded, whatever it was.
      measure(rates, origin, neighbours, rates.measuredUntil + 12 * RATE_HALF_LIFE_MS)
      expect(rateOf(rates, 'origin')! / origin).toBeCloseTo(1, 1)
      expect(rateOf(rates, 'neighbours')! / neighbours).toBeCloseTo(1, 1)
      const [isClear, isNot] = [origin > 1.1 * FASTER_FROM * neighbours, origin < 0.9 * FASTER_UNTIL * neighbours]
      const allowed = isClear ? [true] : isNot ? [false] : [true, false]
      expect(allowed).toContain(rates.originIsFaster)
    }),
    runs(25)
  )
})

test('between the two factors everything stays as it was', () => {
  const between = (FASTER_FROM + FASTER_UNTIL) / 2
  for (const [before, isFaster] of [[3, true], [0.5, false]] as const) {
    const rates = createSourceRates(ENOUGH_BYTES)
    measure(rates, 1000 * before, 1000, 60_000)
    expect(rates.originIsFaster).toBe(isFaster)
    measure(rates, 1000 * between, 1000, 120_000)
    expect(rates.originIsFaster).toBe(isFaster)
  }
})

test('nothing is decided before both were measured enough, nor when that is long ago', () => {
  const rates = createSourceRates(ENOUGH_BYTES)
  passTime(rates, { origin: true, neighbours: true }, 100)
  originSent(rates, ENOUGH_BYTES - 1)
  expect(rateOf(rates, 'origin')).toBeUndefined()
  originSent(rates, 1)
  expect(rateOf(rates, 'origin')).toBe(ENOUGH_BYTES / 100)
  passTime(rates, { origin: false, neighbours: true }, 600)
  neighboursSent(rates, 1000)
  expect([rateOf(rates, 'neighbours'), rates.originIsFaster]).toEqual([undefined, false])
  // However little came, two seconds of it say how slow they are; an answer of the origin must be recent, too.
  passTime(rates, { origin: false, neighbours: true }, 2_800)
  expect(rateOf(rates, 'neighbours')).toBeLessThan(1)
  passTime(rates, { origin: true, neighbours: true }, 2_900)
  originSent(rates, ENOUGH_BYTES)
  expect(rates.originIsFaster).toBe(true)
  passTime(rates, { origin: false, neighbours: false }, 2_900 + 10 * RATE_HALF_LIFE_MS)
  expect([rateOf(rates, 'origin'), rateOf(rates, 'neighbours'), rates.originIsFaster]).toEqual([undefined, undefined, false])
})

test('what the neighbours send beside the origin counts for neither', () => {
  const rates = createSourceRates(1)
  passTime(rates, { origin: true, neighbours: true }, 1000)
  expect(rates.neighbours.ms).toBe(0)
  passTime(rates, { origin: false, neighbours: true }, 2000)
  expect(rates.neighbours.ms).toBe(1000)
})
