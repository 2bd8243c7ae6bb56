import { expect, test } from 'vitest'
import type { FinishedRollout } from '#shared/coordination/volunteer-state.ts'
import type { ShownRollout } from '#shared/protocol/run-feed.ts'
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

test('judged rollouts are shown first, however many were finished since', () => {
  const contribution = new Contribution(() => 0)
  contribution.finished(rollouts(10 * OWN_ROLLOUTS_SHOWN, 1))
  contribution.judged([
    { id: '7/0', outcome: 'accepted', reward: 0.5 },
    { id: '7/1', outcome: 'rejected', reason: 'sampling_mismatch' },
    { id: '7/2', outcome: 'stale' }
  ])
  const { ownRollouts, accepted, rejected } = contribution.snapshot()
  expect({ accepted, rejected, shown: ownRollouts.length }).toEqual({ accepted: 1, rejected: 1, shown: OWN_ROLLOUTS_SHOWN })
  expect(ownRollouts.slice(0, 4).map(({ id, outcome, reward, rejection }) => [id, outcome, reward, rejection])).toEqual([
    ['7/2', 'stale', null, null],
    ['7/1', 'rejected', null, 'sampling_mismatch'],
    ['7/0', 'accepted', 0.5, null],
    ['7/239', 'sent', null, null]
  ])
})

test('a verdict that comes twice is shown once', () => {
  const contribution = new Contribution(() => 0)
  contribution.finished(rollouts(2, 1))
  contribution.judged([{ id: '7/0', outcome: 'stale' }])
  contribution.judged([{ id: '7/0', outcome: 'stale' }])
  expect(contribution.snapshot().ownRollouts.map(({ id, outcome }) => [id, outcome])).toEqual([
    ['7/0', 'stale'],
    ['7/1', 'sent']
  ])
})

test('what the feed has shown stays readable, however much is judged after it', () => {
  const contribution = new Contribution(() => 0)
  const all = rollouts(4 * OWN_ROLLOUTS_SHOWN, 1)
  const judge = (from: number, to: number): void => contribution.judged(all.slice(from, to).map(({ rollout }) => ({ id: rollout.id, outcome: 'accepted', reward: 1 })))
  const shown = (id: string): ShownRollout => ({ id, peer: 'a'.repeat(32), version: 2, prompt: '1+1=', completion: '2', outcome: 'accepted', reward: 1, reason: null })
  contribution.finished(all)
  judge(0, 2)
  contribution.seen([shown('7/0'), shown('7/2')])
  judge(2, all.length)
  const { ownRollouts } = contribution.snapshot()
  expect(ownRollouts.slice(0, 3).map(({ id, episode }) => [id, episode?.turns[0]?.completion])).toEqual([
    ['7/2', '2'],
    ['7/0', '2'],
    ['7/95', undefined]
  ])
})
