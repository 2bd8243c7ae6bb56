import { expect, test } from 'vitest'
import { winRate } from './win-rate.ts'

const pair = (deal: number, first: number, second: number) => [{ deal: String(deal), bigBlinds: first }, { deal: String(deal), bigBlinds: second }]

test('takes the mean of each pair as one observation', () => {
  // Pair means 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11: mean 6, s = √11, t(10) = 2.228.
  const { mean, margin, pairs } = winRate(Array.from({ length: 11 }, (_, index) => pair(index, index + 41, index - 39)).flat())
  expect([mean, pairs]).toEqual([6, 11])
  expect(margin).toBeCloseTo(2.2281 * Math.sqrt(11 / 11), 3)
})

test('luck that the swapped seats cancel does not widen the interval', () => {
  expect(winRate([...pair(1, 100, -98), ...pair(2, -80, 82), ...pair(3, 7, -5)])).toMatchObject({ mean: 1, margin: 0 })
})

test('leaves out hands whose pair is incomplete, and knows nothing from one pair', () => {
  expect(winRate([...pair(1, 4, 2), { deal: '2', bigBlinds: 100 }])).toEqual({ mean: 3, margin: Number.POSITIVE_INFINITY, pairs: 1, unpaired: 1 })
  expect(winRate([])).toMatchObject({ mean: 0, pairs: 0 })
})
