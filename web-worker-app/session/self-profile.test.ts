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
  profile.engineLoaded('wasm', memory, 4)
  profile.steps([{ kind: 'prefill', rows: 10, ms: 40 }])
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
