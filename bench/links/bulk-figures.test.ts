import { expect, test } from 'vitest'
import { bulkFigures, quantile } from './bulk-figures.ts'

/** Samples every quarter of a second of a bulk with these megabits in its seconds. */
function samplesOf(megabits: readonly number[]): { ms: number; bytes: number }[] {
  const samples = []
  let bytes = 0
  for (const [second, rate] of megabits.entries()) {
    for (let quarter = 1; quarter <= 4; quarter++) {
      bytes += (rate * 1e6) / 8 / 4
      samples.push({ ms: 1000 * second + 250 * quarter, bytes })
    }
  }
  return samples
}

test('every second has its rate, the third and later ones count as settled, and a stall is a second with almost nothing', () => {
  const figures = bulkFigures(samplesOf([3, 10, 20, 18, 1, 19, 20]))
  expect(figures.perSecondMbit.map(rate => Math.round(rate * 1e6) / 1e6)).toEqual([3, 10, 20, 18, 1, 19, 20])
  expect(figures.worstMbit).toBeCloseTo(1)
  expect(figures.stalls).toBe(1)
  expect(figures.seconds).toBe(7)
  expect(figures.averageMbit).toBeCloseTo(91 / 7)
})

test('the first seconds are not settled, and an unfinished last second is not judged', () => {
  const samples = samplesOf([0.1, 5, 20, 20, 20])
  const figures = bulkFigures([...samples, { ms: 5400, bytes: samples.at(-1)!.bytes + 10 }])
  expect(figures.worstMbit).toBeCloseTo(20)
  expect(figures.stalls).toBe(1)
  expect(figures.perSecondMbit).toHaveLength(5)
  expect(bulkFigures(samplesOf([20, 20])).worstMbit).toBeNaN()
})

test('bytes between two samples arrive evenly', () => {
  const figures = bulkFigures([{ ms: 500, bytes: 1_000_000 }, { ms: 1500, bytes: 3_000_000 }, { ms: 2000, bytes: 3_000_000 }])
  expect(figures.perSecondMbit).toEqual([16, 8])
})

test('quantiles are values that occurred', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index)
  expect(quantile(values, 0.5)).toBe(50)
  expect(quantile(values, 0.95)).toBe(95)
  expect(quantile(values.slice(0, 10), 0.95)).toBe(100)
  expect(quantile([7], 0.95)).toBe(7)
})
