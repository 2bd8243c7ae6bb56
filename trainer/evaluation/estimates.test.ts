import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bootstrapMean, majoritySucceeds, passAtK, wilson } from './estimates.ts'

describe('Wilson’s interval', () => {
  test('is the published one for 8 of 10, and no point for none and all', () => {
    expect(wilson(8, 10)).toMatchObject({ value: 0.8, low: expect.closeTo(0.4902, 4), high: expect.closeTo(0.9433, 4) })
    expect(wilson(0, 20)).toMatchObject({ value: 0, low: 0, high: expect.closeTo(0.1611, 4) })
    expect(wilson(20, 20)).toMatchObject({ value: 1, low: expect.closeTo(0.8389, 4), high: 1 })
    expect(wilson(0, 0)).toEqual({ value: 0, low: 0, high: 1 })
  })
})

describe('the bootstrap over tasks', () => {
  test('holds the mean, narrows with more tasks, and is the same every time', () => {
    const of = (n: number) => bootstrapMean(Array.from({ length: n }, (_, index) => (index % 4) / 3))
    expect(of(40)).toEqual(of(40))
    const [few, many] = [of(40), of(640)]
    for (const { value, low, high } of [few, many]) {
      expect(value).toBeCloseTo(0.5, 12)
      expect(low).toBeLessThan(0.5)
      expect(high).toBeGreaterThan(0.5)
    }
    expect((few.high - few.low) / (many.high - many.low)).toBeGreaterThan(3)
    // Standard deviation of the values: √5 / 6.
    expect((few.high - few.low) / 2).toBeCloseTo((1.96 * Math.sqrt(5)) / 6 / Math.sqrt(40), 1)
  })
})

describe('pass@k', () => {
  test('is the share of subsets of k samples that hold a success', () => {
    const subsets = (n: number, k: number): number[][] => (k === 0 ? [[]] : n < k ? [] : [...subsets(n - 1, k), ...subsets(n - 1, k - 1).map(rest => [...rest, n - 1])])
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(8), fc.integer({ min: 1, max: 8 }), (n, successes, k) => {
        fc.pre(successes <= n && k <= n)
        const all = subsets(n, k)
        expect(passAtK(n, successes, k)).toBeCloseTo(all.filter(subset => subset.some(sample => sample < successes)).length / all.length, 12)
      })
    )
    expect(() => passAtK(4, 1, 5)).toThrow('pass@5 from 4 samples')
  })
})

test('a majority is right when the commonest answer is; the first of equals decides', () => {
  const samples = (...answers: string[]) => answers.map(answer => ({ answer, success: answer === 'right' }))
  expect(majoritySucceeds(samples('right', 'wrong', 'right', 'other', 'third'))).toBe(true)
  expect(majoritySucceeds(samples('wrong', 'right', 'wrong'))).toBe(false)
  expect(majoritySucceeds(samples('right', 'wrong'))).toBe(true)
  expect(majoritySucceeds(samples('wrong', 'right'))).toBe(false)
})
