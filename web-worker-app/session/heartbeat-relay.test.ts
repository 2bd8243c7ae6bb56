import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Heartbeat } from '#shared/protocol/stage-messages.ts'
import { HeartbeatRelay } from './heartbeat-relay.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a work that keeps the worker silent goes on counting; an idle worker that is silent is not spoken for', () => {
  const told: Heartbeat[] = []
  const relay = new HeartbeatRelay(heartbeat => told.push(heartbeat), () => Date.now())
  relay.heard({ workMs: 0, roundMs: 20 }, true)
  vi.advanceTimersByTime(1000)
  expect(told).toEqual([{ workMs: 0, roundMs: 20 }, { workMs: 400, roundMs: 420 }, { workMs: 800, roundMs: 820 }])
  relay.heard({ workMs: 0, roundMs: 0 }, false)
  vi.advanceTimersByTime(5000)
  expect(told).toHaveLength(4)
  relay.heard({ workMs: 0, roundMs: 0 }, true)
  relay.end()
  vi.advanceTimersByTime(5000)
  expect(told).toHaveLength(5)
})
