import { expect, test } from 'vitest'
import type { FinishedRollout } from '#shared/coordination/volunteer-state.ts'
import { Contribution } from './contribution.ts'
import { OWN_ROLLOUTS_SHOWN } from './session-store.ts'

function rollouts(count: number, tokens: number): FinishedRollout[] {
  return Array.from({ length: count }, (_, index) => ({
    lease: 'l0-0',
    rollout: { id: `7/${index}`, version: 2, manifestHash: 'a'.repeat(64), prompt: 7, index, seed: 'b'.repeat(64), tokens: Array.from({ length: tokens }, () => 3), logProbs: Array.from({ length: tokens }, () => -1), finish: 'length' }
  }))
}

test('speed is the tokens of the last ten seconds, over the time in which there was work', () => {
  let now = 0
  const contribution = new Contribution(() => now)
  expect(contribution.snapshot().tokensPerSecond).toBe(0)
  contribution.setWorking(true)
  now = 2000
  contribution.finished(rollouts(4, 10))
  expect(contribution.snapshot()).toMatchObject({ tokens: 40, tokensPerSecond: 20 })
  now = 11_000
  contribution.finished(rollouts(1, 30))
  expect(contribution.snapshot().tokensPerSecond).toBe(7)
  now = 13_000
  expect(contribution.snapshot().tokensPerSecond).toBe(3)
  contribution.setWorking(false)
  expect(contribution.snapshot()).toMatchObject({ tokens: 70, tokensPerSecond: 0 })
})

test('verdicts are shown on the rollouts that they judge', () => {
  const contribution = new Contribution(() => 0)
  contribution.finished(rollouts(OWN_ROLLOUTS_SHOWN + 5, 1))
  contribution.judged([
    { id: '7/28', outcome: 'accepted', reward: 0.5 },
    { id: '7/27', outcome: 'rejected', reason: 'sampling_mismatch' },
    { id: '7/26', outcome: 'stale' }
  ])
  const { ownRollouts, accepted, rejected } = contribution.snapshot()
  expect({ accepted, rejected, shown: ownRollouts.length }).toEqual({ accepted: 1, rejected: 1, shown: OWN_ROLLOUTS_SHOWN })
  expect(ownRollouts.slice(0, 4).map(({ id, outcome, reward, rejection }) => [id, outcome, reward, rejection])).toEqual([
    ['7/28', 'accepted', 0.5, null],
    ['7/27', 'rejected', null, 'sampling_mismatch'],
    ['7/26', 'stale', null, null],
    ['7/25', 'sent', null, null]
  ])
})
