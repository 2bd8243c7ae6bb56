import { expect, test } from 'vitest'
import { profileReport } from '../protocol/profile-report.ts'
import { decode } from '../protocol/schema.ts'
import { BANDWIDTH_WINDOW_MS, createDeviceProfile, observeSample, reportProfile, ROUND_TRIP_WINDOW_MS } from './device-profile.ts'
import { memoryBudget } from './memory-budget.ts'

const MIB = 1024 ** 2
const peer = (name: string) => name.padStart(32, '0')

function measured() {
  const profile = createDeviceProfile('wasm', memoryBudget({ capBytes: 512 * MIB }))
  for (const rows of [1, 1, 8, 8]) {
    observeSample(profile, { kind: 'decode', rows, layers: 4, ms: 4 * (2 + rows) }, 0)
    observeSample(profile, { kind: 'prefill', rows: 16 * rows, layers: 4, ms: 4 * (2 + 16 * rows) }, 0)
  }
  return profile
}

test('nothing is reported before prefill and decode were both measured', () => {
  const profile = createDeviceProfile('wasm', memoryBudget({ capBytes: MIB }))
  observeSample(profile, { kind: 'decode', rows: 1, layers: 2, ms: 4 }, 0)
  expect(reportProfile(profile, 0)).toBeUndefined()
})

test('a report says what was measured, in milliseconds per layer, and passes its own schema', () => {
  const profile = measured()
  observeSample(profile, { kind: 'upload', bytes: 65_536, ms: 100 }, 10)
  observeSample(profile, { kind: 'round_trip', peer: peer('a'), ms: 30 }, 10)
  observeSample(profile, { kind: 'round_trip', peer: peer('a'), ms: 20 }, 11)
  observeSample(profile, { kind: 'round_trip', peer: peer('a'), ms: 400 }, 12)
  observeSample(profile, { kind: 'round_trip', peer: peer('b'), ms: 5 }, 12)
  const report = reportProfile(profile, 12)!
  expect(report).toMatchObject({ engine: 'wasm', memoryBytes: 512 * MIB, uplinkBytesPerSecond: 655_360, roundTrips: [{ peer: peer('b'), ms: 5 }, { peer: peer('a'), ms: 20 }] })
  expect(report.decode.fixedMs).toBeCloseTo(2)
  expect(report.prefill.perRowMs).toBeCloseTo(1)
  expect(decode(profileReport, report)).toEqual({ kind: 'ok', value: report })
})

test('what is not measured again ages out, and a lost link is forgotten at once', () => {
  const profile = measured()
  observeSample(profile, { kind: 'upload', bytes: 1000, ms: 1 }, 0)
  observeSample(profile, { kind: 'round_trip', peer: peer('a'), ms: 30 }, 0)
  observeSample(profile, { kind: 'round_trip', peer: peer('b'), ms: 30 }, 0)
  observeSample(profile, { kind: 'link_gone', peer: peer('b') }, 1)
  expect(reportProfile(profile, ROUND_TRIP_WINDOW_MS)!.roundTrips).toEqual([{ peer: peer('a'), ms: 30 }])
  expect(reportProfile(profile, ROUND_TRIP_WINDOW_MS + 1)!.roundTrips).toEqual([])
  expect(reportProfile(profile, BANDWIDTH_WINDOW_MS + 1)!.uplinkBytesPerSecond).toBeNull()
})

test('however many peers were pinged, a report names no more than may be linked, the nearest', () => {
  const profile = measured()
  for (let index = 40; index > 0; index--) observeSample(profile, { kind: 'round_trip', peer: peer(String(index)), ms: index }, 1)
  const report = reportProfile(profile, 1)!
  expect(report.roundTrips.map(({ ms }) => ms)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  expect(decode(profileReport, report).kind).toBe('ok')
})

test('a report with nonsense in it is malformed', () => {
  const report = reportProfile(measured(), 1)!
  for (const lie of [{ decode: { fixedMs: -1, perRowMs: 0 } }, { memoryBytes: 1.5 }, { prefill: { fixedMs: 0, perRowMs: Infinity } }, { deviceName: 'a fast one' }]) {
    expect(decode(profileReport, { ...report, ...lie }).kind).toBe('malformed')
  }
})

test('the budget is the volunteer’s cap, below what 32-bit WebAssembly can address; a tensor must fit one WebGPU buffer', () => {
  expect(memoryBudget({ capBytes: 100 * MIB })).toEqual({ memoryBytes: 100 * MIB, largestTensorBytes: 100 * MIB })
  expect(memoryBudget({ capBytes: 64 * 1024 * MIB }).memoryBytes).toBe(3840 * MIB)
  const webgpu = { maxBufferSize: 2048 * MIB, maxStorageBufferBindingSize: 128 * MIB }
  expect(memoryBudget({ capBytes: 8192 * MIB, webgpu })).toEqual({ memoryBytes: 8192 * MIB, largestTensorBytes: 128 * MIB })
})
