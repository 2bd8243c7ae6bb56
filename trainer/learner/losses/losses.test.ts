import { describe, expect, it } from 'vitest'
import { clipLoss } from './clip.ts'
import { dppoLoss } from './dppo.ts'
import { createPolicyLoss, DEFAULT_LOSS } from './loss-config.ts'
import type { PolicyLoss } from './policy-loss.ts'
import { truncatedImportanceSamplingLoss } from './truncated-importance-sampling.ts'

const one = (loss: PolicyLoss, policy: number, behaviour: number, advantage: number): ReturnType<PolicyLoss> =>
  loss({ policy: Float32Array.of(policy), behaviour: [behaviour] }, advantage)

/** Log-prob pairs from far below to far above the behaviour policy, none of them on a corner of a loss. */
const PAIRS = [-2.31, -1.07, -0.52, -0.13, 0, 0.11, 0.47, 1.03, 1.9].map(shift => ({ policy: -2.5 + shift, behaviour: -2.5 }))
const ADVANTAGES = [-1.5, -0.3, 0.4, 2]

describe.each([
  ['dppo', dppoLoss({ low: 0.2, high: 0.2, klTau: 1e-2 })],
  ['clip', clipLoss({ low: 0.2, high: 0.28 })],
  ['two-sided clip', clipLoss({ low: 0.2, high: 0.28, delta: 4 })]
])('%s', (_, loss) => {
  it('has the derivative of its value as gradient', () => {
    for (const { policy, behaviour } of PAIRS) {
      for (const advantage of ADVANTAGES) {
        const [above, below] = [Math.fround(policy + 1e-3), Math.fround(policy - 1e-3)]
        const expected = (one(loss, above, behaviour, advantage).loss - one(loss, below, behaviour, advantage).loss) / (above - below)
        expect(one(loss, policy, behaviour, advantage).gradient[0]).toBeCloseTo(expected, 3)
      }
    }
  })

  it('is the policy gradient −A at the behaviour policy', () => {
    for (const advantage of ADVANTAGES) {
      expect(one(loss, -1.25, -1.25, advantage).gradient[0]).toBeCloseTo(-advantage, 6)
      expect(one(loss, -1.25, -1.25, advantage).clipped).toBe(0)
    }
  })
})

describe('dppo', () => {
  const loss = dppoLoss({ low: 0.2, high: 0.2, klTau: 0 })

  it('masks what moved too far in the direction of the advantage, and only that', () => {
    const [rose, fell, base] = [Math.log(0.75), Math.log(0.25), Math.log(0.5)]
    expect(one(loss, rose, base, 1)).toMatchObject({ clipped: 1, loss: 0 })
    expect(one(loss, rose, base, -1).gradient[0]).toBeCloseTo(1.5)
    expect(one(loss, fell, base, -1)).toMatchObject({ clipped: 1, loss: 0 })
    expect(one(loss, fell, base, 1).gradient[0]).toBeCloseTo(-0.5)
  })

  it('lets a rare token grow where a ratio clip stops it', () => {
    const [policy, behaviour] = [Math.log(0.03), Math.log(0.01)]
    expect(one(loss, policy, behaviour, 1).gradient[0]).toBeCloseTo(-3, 4)
    expect(one(clipLoss({ low: 0.2, high: 0.2 }), policy, behaviour, 1).gradient[0]).toBeCloseTo(0)
  })

  it('pulls back towards the behaviour policy even when masked', () => {
    const result = one(dppoLoss({ low: 0.2, high: 0.2, klTau: 0.5 }), -0.5, -1.5, 1)
    expect(result.clipped).toBe(1)
    expect(result.gradient[0]).toBeCloseTo(1)
    expect(result.loss).toBeCloseTo(0.5)
  })
})

describe('clip', () => {
  it('stops outside [1 − low, 1 + high] and, with δ, for large ratios of bad tokens', () => {
    const loss = clipLoss({ low: 0.2, high: 0.28, delta: 4 })
    expect(one(loss, Math.log(1.3), 0, 1).gradient[0]).toBeCloseTo(0)
    expect(one(loss, Math.log(1.27), 0, 1).gradient[0]).toBeCloseTo(-1.27, 4)
    expect(one(loss, Math.log(0.7), 0, -1).gradient[0]).toBeCloseTo(0)
    expect(one(loss, Math.log(3.9), 0, -1).gradient[0]).toBeCloseTo(3.9, 4)
    expect(one(loss, Math.log(4.1), 0, -1)).toMatchObject({ clipped: 1, loss: 4 })
    expect(one(clipLoss({ low: 0.2, high: 0.28 }), Math.log(4.1), 0, -1).gradient[0]).toBeCloseTo(4.1, 4)
  })
})

describe('truncated importance sampling', () => {
  const loss = truncatedImportanceSamplingLoss({ cap: 2 })

  it('weights the policy gradient by min(π / π_b, cap), held constant', () => {
    for (const { policy, behaviour } of PAIRS) {
      for (const advantage of ADVANTAGES) {
        const weight = Math.min(Math.exp(policy - behaviour), 2)
        const result = one(loss, policy, behaviour, advantage)
        expect(result.gradient[0]).toBeCloseTo(-weight * advantage, 5)
        expect(result.loss).toBeCloseTo(-weight * advantage * policy, 5)
        expect(result.clipped).toBe(weight === 2 ? 1 : 0)
      }
    }
  })
})

describe('policy losses', () => {
  it('sum over the tokens and count the clipped ones', () => {
    const result = createPolicyLoss(DEFAULT_LOSS)({ policy: Float32Array.of(-0.1, -1, -2), behaviour: [-2, -1, -2] }, 1)
    expect(result.clipped).toBe(1)
    expect(result.loss).toBeCloseTo(1e-3 * 1.9 ** 2 - 2, 5)
    expect([...result.gradient].map(value => Math.round(value * 1e4) / 1e4)).toEqual([0.0038, -1, -1])
  })

  it('stay finite for any ratio', () => {
    for (const config of [DEFAULT_LOSS, { kind: 'clip', low: 0.2, high: 0.2 } as const]) {
      const result = createPolicyLoss(config)({ policy: Float32Array.of(-1e4, 0), behaviour: [0, -1e4] }, -1)
      expect(Number.isFinite(result.loss)).toBe(true)
      expect(result.gradient.every(Number.isFinite)).toBe(true)
    }
  })

  it('refuse arrays of unequal length', () => {
    expect(() => createPolicyLoss(DEFAULT_LOSS)({ policy: new Float32Array(2), behaviour: [0] }, 1)).toThrow('2 log-probs against 1')
  })
})
