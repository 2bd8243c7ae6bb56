import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ADVANTAGE_ESTIMATORS, groupAdvantages } from './advantage.ts'

describe('groupAdvantages', () => {
  it('follows the formulas', () => {
    const rewards = [1, 0, 0, 1, 1, 0, 0, 1]
    expect([...groupAdvantages(rewards, 'dr-grpo')!]).toEqual([0.5, -0.5, -0.5, 0.5, 0.5, -0.5, -0.5, 0.5])
    expect(groupAdvantages(rewards, 'grpo')![0]).toBeCloseTo(0.5 / 0.5001, 6)
    expect(groupAdvantages([1, 0, 0, 0], 'rloo')![0]).toBeCloseTo(1)
    expect(groupAdvantages([1, 0, 0, 0], 'rloo')![1]).toBeCloseTo(-1 / 3)
  })

  it.each(ADVANTAGE_ESTIMATORS)('%s: nothing to learn from equal rewards', estimator => {
    expect(groupAdvantages([0.3, 0.3, 0.3], estimator)).toBeNull()
  })

  it.each(ADVANTAGE_ESTIMATORS)('%s: sums to zero, keeps the order of the rewards, and ignores a constant', estimator => {
    const reward = fc.integer({ min: -50, max: 50 })
    const rewards = fc.uniqueArray(reward, { minLength: 2, maxLength: 32 })
    fc.assert(
      fc.property(rewards, fc.integer({ min: -50, max: 50 }), (unsorted, shift) => {
        const sorted = unsorted.toSorted((a, b) => a - b)
        const advantages = groupAdvantages(sorted, estimator)!
        expect(advantages.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 2)
        expect([...advantages]).toEqual([...new Set(advantages)].toSorted((a, b) => a - b))
        const shifted = groupAdvantages(
          sorted.map(value => value + shift),
          estimator
        )!
        for (const [at, value] of shifted.entries()) expect(value).toBeCloseTo(advantages[at]!, 3)
      })
    )
  })
})
