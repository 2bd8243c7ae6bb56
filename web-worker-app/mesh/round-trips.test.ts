import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RoundTrips } from './round-trips.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a round trip is from the last question to its answer; other answers count for nothing', () => {
  let now = 0
  const asked: [string, number][] = []
  const measured: [string, number][] = []
  const trips = new RoundTrips((peer, id) => asked.push([peer, id]), (peer, ms) => measured.push([peer, ms]), () => now)
  trips.linkUp('a')
  trips.linkUp('b')
  now = 30
  trips.answered('a', asked[0]![1])
  trips.answered('a', asked[0]![1])
  trips.answered('b', asked[0]![1])
  expect(measured).toEqual([['a', 30]])
  trips.linkDown('a')
  now = 5000
  vi.advanceTimersByTime(5000)
  expect(asked.map(([peer]) => peer)).toEqual(['a', 'b', 'b'])
  now = 5012
  trips.answered('b', asked[1]![1])
  trips.answered('b', asked[2]![1])
  expect(measured).toEqual([['a', 30], ['b', 12]])
  trips.close()
  vi.advanceTimersByTime(20_000)
  expect(asked).toHaveLength(3)
})
