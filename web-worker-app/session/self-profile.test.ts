import { expect, test } from 'vitest'
import type { ProfileReport } from '#shared/protocol/profile-report.ts'
import { SelfProfile } from './self-profile.ts'

const PEER = 'a'.repeat(32)
const memory = { memoryBytes: 1000, largestTensorBytes: 500 }

test('steps are told per layer and with the links that were measured before, at most once a second', () => {
  let now = 0
  const told: ProfileReport[] = []
  const profile = new SelfProfile(report => told.push(report), () => now)
  profile.roundTrip(PEER, 12)
  profile.engineLoaded('wasm', memory, 4, [{ kind: 'prefill', rows: 10, ms: 40 }])
  expect(told).toEqual([])
  profile.steps([{ kind: 'decode', rows: 8, ms: 32 }])
  expect(told).toHaveLength(1)
  expect(told[0]).toMatchObject({ engine: 'wasm', ...memory, roundTrips: [{ peer: PEER, ms: 12 }] })
  const { fixedMs, perRowMs } = told[0]!.decode
  expect(fixedMs + 8 * perRowMs).toBeCloseTo(8)
  now = 999
  profile.steps([{ kind: 'decode', rows: 8, ms: 32 }])
  expect(told).toHaveLength(1)
  now = 1000
  profile.linkGone(PEER)
  expect(told[1]!.roundTrips).toEqual([])
})

test('what was measured before there was any work is told at once, all of it', () => {
  const told: ProfileReport[] = []
  const profile = new SelfProfile(report => told.push(report), () => 0)
  profile.engineLoaded('wasm', memory, 2, [{ kind: 'prefill', rows: 8, ms: 16 }, { kind: 'decode', rows: 1, ms: 6 }, { kind: 'decode', rows: 1, ms: 6 }, { kind: 'decode', rows: 8, ms: 20 }])
  expect(told).toHaveLength(1)
  const { fixedMs, perRowMs } = told[0]!.decode
  expect([fixedMs, perRowMs]).toEqual([expect.closeTo(2), expect.closeTo(1)])
})
