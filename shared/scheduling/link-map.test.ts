import { expect, test } from 'vitest'
import { createLinkMap, forgetPeer, markUnlinkable, measuredRoundTrip, oneWayDelays, reportRoundTrips, UNKNOWN_ROUND_TRIP_MS } from './link-map.ts'

const UNKNOWN = UNKNOWN_ROUND_TRIP_MS / 2

test('a delay is half the lesser of what both ends measured, from either end', () => {
  const map = createLinkMap()
  reportRoundTrips(map, 'a', [{ peer: 'b', ms: 30 }, { peer: 'c', ms: 100 }])
  reportRoundTrips(map, 'b', [{ peer: 'a', ms: 20 }])
  reportRoundTrips(map, 'c', [{ peer: 'a', ms: 300 }])
  expect([...oneWayDelays(map, ['a', 'b', 'c'])]).toEqual([0, 10, 50, 10, 0, UNKNOWN, 50, UNKNOWN, 0])
  expect([...oneWayDelays(map, ['c', 'a'])]).toEqual([0, 50, 50, 0])
  expect(measuredRoundTrip(map, 'b', 'a')).toBe(20)
  expect(measuredRoundTrip(map, 'b', 'c')).toBeUndefined()
})

test('a pair that failed to link has no delay, until it links after all', () => {
  const map = createLinkMap()
  markUnlinkable(map, 'a', 'b')
  expect([...oneWayDelays(map, ['a', 'b'])]).toEqual([0, Infinity, Infinity, 0])
  reportRoundTrips(map, 'b', [{ peer: 'a', ms: 8 }])
  expect([...oneWayDelays(map, ['a', 'b'])]).toEqual([0, 4, 4, 0])
  markUnlinkable(map, 'a', 'b')
  expect(measuredRoundTrip(map, 'a', 'b')).toBeUndefined()
})

test('of a peer that left nothing is kept', () => {
  const map = createLinkMap()
  reportRoundTrips(map, 'a', [{ peer: 'b', ms: 8 }])
  reportRoundTrips(map, 'b', [{ peer: 'a', ms: 8 }])
  markUnlinkable(map, 'b', 'c')
  forgetPeer(map, 'b')
  expect([...oneWayDelays(map, ['a', 'b', 'c'])].filter(delay => delay > 0)).toEqual(Array.from({ length: 6 }, () => UNKNOWN))
})
