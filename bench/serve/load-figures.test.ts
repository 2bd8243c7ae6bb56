import { expect, test } from 'vitest'
import { jainIndex, loadFigures, quantile } from './load-figures.ts'

test('quantiles are values that were measured', () => {
  const values = [5, 1, 4, 2, 3]
  expect([0, 0.2, 0.21, 0.5, 0.95, 1].map(fraction => quantile(values, fraction))).toEqual([1, 1, 2, 3, 5, 5])
  expect(quantile([], 0.5)).toBeNaN()
})

test('the index is 1 for equal shares and 1/n when one has all', () => {
  expect(jainIndex([3, 3, 3])).toBe(1)
  expect(jainIndex([0, 8, 0, 0])).toBe(0.25)
  expect(jainIndex([0, 0])).toBe(1)
})

test('figures are those of all clients together', () => {
  const clients = [
    { tokens: 30, firstTokenMs: [10], interTokenMs: [1, 1] },
    { tokens: 10, firstTokenMs: [30], interTokenMs: [9] }
  ]
  expect(loadFigures(clients, 4)).toEqual({ tokensPerSecond: 10, answers: 2, firstTokenMs: { p50: 10, p95: 30 }, interTokenMs: { p50: 1, p95: 9 }, fairness: 0.8 })
})
