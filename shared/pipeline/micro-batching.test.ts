import { describe, expect, it } from 'vitest'
import { bestMicroBatches, roundMs } from './micro-batching.ts'

const stage = { layers: 2, cost: { fixedMs: 0.5, perRowMs: 0.25 } }

describe('bestMicroBatches', () => {
  it('keeps one stage’s sequences together: there is nothing to overlap', () => {
    expect(bestMicroBatches({ stages: [stage], linksMs: 0 }, 64, 64)).toBe(1)
  })

  it('gives every stage something to do, with one or two micro-batches to spare for steps that take longer', () => {
    for (const stages of [2, 3, 4]) {
      const count = bestMicroBatches({ stages: Array.from({ length: stages }, () => stage), linksMs: 0 }, 64, 64)
      expect(count).toBeGreaterThan(stages)
      expect(count).toBeLessThanOrEqual(stages + 2)
    }
  })

  it('does not go on cutting for a gain of a few hundredths', () => {
    const ring = { stages: [stage, stage, stage, stage], linksMs: 30 }
    const count = bestMicroBatches(ring, 64, 64)
    const rounds = Array.from({ length: 64 }, (_, index) => roundMs(ring, 64, index + 1))
    expect(roundMs(ring, 64, count)).toBeLessThan(1.05 * Math.min(...rounds))
    expect(count).toBeLessThan(1 + rounds.indexOf(Math.min(...rounds)))
    expect(rounds.slice(0, count - 1).every(ms => ms > 1.05 * Math.min(...rounds))).toBe(true)
  })

  it('hides links behind computing as far as there is enough of it', () => {
    const ring = { stages: [stage, stage], linksMs: 15 }
    const count = bestMicroBatches(ring, 64, 64)
    expect(count).toBeGreaterThan(2)
    expect(roundMs(ring, 64, count)).toBeLessThan(1.1 * roundMs({ ...ring, linksMs: 0 }, 64, 2))
    expect(roundMs(ring, 64, 2)).toBeGreaterThan(1.4 * roundMs({ ...ring, linksMs: 0 }, 64, 2))
  })

  it('does not cut smaller when only links count: the round takes as long and the engines work more', () => {
    expect(bestMicroBatches({ stages: [1, 1].map(layers => ({ layers, cost: { fixedMs: 1, perRowMs: 0 } })), linksMs: 1000 }, 8, 64)).toBe(1)
  })

  it('needs at least what the rows of one micro-batch make necessary', () => {
    expect(bestMicroBatches({ stages: [stage], linksMs: 0 }, 100, 32)).toBe(4)
  })
})
