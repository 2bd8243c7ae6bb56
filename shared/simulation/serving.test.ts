import { expect, test } from 'vitest'
import { createRng } from '../random/rng.ts'
import type { ChainStage } from '../scheduling/stage-load.ts'
import type { SimulatedPeer } from './fleet.ts'
import { simulateServing, type ServingOptions } from './serving.ts'

const tab = (peer: string, x: number): SimulatedPeer => ({
  peer,
  decode: { fixedMs: 1, perRowMs: 0.5 },
  prefill: { fixedMs: 2, perRowMs: 0.25 },
  uplinkBytesPerSecond: 1_000_000,
  layersMost: 10,
  x,
  y: 0
})
const stage = (peer: string, start: number, end: number): ChainStage => ({ peer, layers: { start, end } })
const options: Omit<ServingOptions, 'fleet' | 'choose'> = { batchMost: 64, concurrent: 1, shape: { promptTokens: 8, newTokens: 5, hiddenBytes: 1000 }, durationMs: 10_000 }

test('a lone tab: prefill of ten layers, then a step per token, without any network', () => {
  const { served, tokens, replays } = simulateServing({ ...options, fleet: [tab('a', 0)], choose: () => [stage('a', 0, 10)] }, createRng(1))
  expect(served[0]!.firstTokenMs).toBeCloseTo(10 * (2 + 0.25 * 8))
  expect(served[0]!.interTokenMs).toBeCloseTo(10 * 1.5)
  expect(Math.abs(tokens - served.length * 5)).toBeLessThan(5)
  expect(replays).toBe(0)
})

test('a ring of two tabs 9 ms apart: every token pays both ways, hidden states one', () => {
  const { served } = simulateServing({ ...options, fleet: [tab('a', 0), tab('b', 9)], choose: () => [stage('a', 0, 4), stage('b', 4, 10)] }, createRng(1))
  expect(served[0]!.firstTokenMs).toBeCloseTo(10 * 4 + 10 + 8)
  expect(served[0]!.interTokenMs).toBeCloseTo(10 * 1.5 + 2 * 10 + 1)
})

test('what has arrived runs as one batch, if batching is on', () => {
  const tokens = (batchMost: number) => simulateServing({ ...options, batchMost, concurrent: 16, fleet: [tab('a', 0)], choose: () => [stage('a', 0, 10)] }, createRng(1)).tokens
  expect(tokens(16)).toBeGreaterThan(1.5 * tokens(1))
})

test('sequences of a tab that vanishes go on from where they were on another; while nobody is there they wait', () => {
  const fleet = [tab('a', 0), tab('b', 0)]
  const { served, replays } = simulateServing(
    {
      ...options,
      concurrent: 4,
      durationMs: 400_000,
      fleet,
      churn: { presentMs: 3_000, awayMs: 3_000 },
      choose: ({ present }) => {
        const [peer] = present
        return peer === undefined ? undefined : [stage(peer, 0, 10)]
      }
    },
    createRng(5)
  )
  expect(replays).toBeGreaterThan(20)
  expect(served.length).toBeGreaterThan(1000)
  const longest = Math.max(...served.map(({ endToEndMs }) => endToEndMs))
  expect(longest).toBeGreaterThan(2_000)
  expect(longest).toBeLessThan(60_000)
})
