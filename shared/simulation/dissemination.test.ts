import { describe, expect, test } from 'vitest'
import { FASTER_AGAIN_MS } from '../dissemination/origin-grants.ts'
import { LIMITS } from '../protocol/limits.ts'
import { createRng } from '../random/rng.ts'
import { leastPossibleMs, simulateDissemination, type DisseminationResult, type Overlay } from './dissemination.ts'
import { chainOverlay, meshOverlay, starOverlay, stripesOverlay, treeOverlay } from './overlays.ts'
import type { NetworkNode } from './packet-network.ts'

const BYTES_PER_MS = 125
const nodeOf = (upMbit: number, downMbit = 100): NetworkNode => ({ upBytesPerMs: upMbit * BYTES_PER_MS, downBytesPerMs: downMbit * BYTES_PER_MS, oneWayMs: 10 })
const ORIGIN = nodeOf(40)
const VERSION = { chunks: 80, chunkBytes: LIMITS.adapterChunkBytes }

function spread(tabs: readonly NetworkNode[], overlay: Overlay, { seed = 1, leavesPerMinute = 0, whole = false, uplinksMeasured = true, origin = ORIGIN } = {}): DisseminationResult & { readonly lastMs: number } {
  const result = simulateDissemination({ tabs, origin, ...VERSION, overlay, whole, uplinksMeasured, leavesPerMinute, seed, limitMs: 120_000 })
  return { ...result, lastMs: Math.max(...result.doneMs) }
}

const equal = (tabs: number): NetworkNode[] => Array.from({ length: tabs }, () => nodeOf(20))
const MIXED = [5, 10, 20, 35, 50]
const mixed = (tabs: number): NetworkNode[] => Array.from({ length: tabs }, (_, place) => nodeOf(MIXED[place % MIXED.length]!))
const least = (tabs: readonly NetworkNode[]): number => leastPossibleMs(tabs, ORIGIN, VERSION.chunks * VERSION.chunkBytes)

describe('20 MB to tabs with home uplinks', () => {
  test('with equal uplinks the last tab has it within 1.5 times the least possible time, and the origin sends it about once', () => {
    for (const count of [4, 8, 16]) {
      const tabs = equal(count)
      const { lastMs, originCopies, discarded } = spread(tabs, meshOverlay(count, createRng(count)))
      expect(lastMs / least(tabs), `${count} tabs`).toBeLessThanOrEqual(1.5)
      expect(originCopies).toBeLessThanOrEqual(1.2)
      expect(discarded).toBeLessThan(0.02)
    }
  })

  test('with uplinks of 5 to 50 Mbit/s within twice before these were measured, and then within 1.6 times', () => {
    const tabs = mixed(16)
    const ratio = (uplinksMeasured: boolean): number => spread(tabs, meshOverlay(16, createRng(1)), { uplinksMeasured }).lastMs / least(tabs)
    expect(ratio(false)).toBeLessThanOrEqual(2)
    expect(ratio(true)).toBeLessThanOrEqual(1.6)
  })

  test('a tree uses half of the uplinks twice, stripes every one once, and with equal uplinks they are no slower than a mesh by more than their depth', () => {
    const tabs = equal(15)
    const [tree, stripes, mesh] = [treeOverlay(15, 2), stripesOverlay(15, 4), meshOverlay(15, createRng(1))].map(overlay => spread(tabs, overlay))
    // Each of those who serve sends everything twice.
    expect(tree!.lastMs).toBeGreaterThan((2 * VERSION.chunks * VERSION.chunkBytes) / (20 * BYTES_PER_MS))
    expect(stripes!.lastMs).toBeLessThan(tree!.lastMs)
    expect(stripes!.lastMs / mesh!.lastMs).toBeGreaterThan(0.8)
    for (const { originCopies } of [tree!, stripes!]) expect(originCopies).toBe(1)
  })

  test('a star and a line are far slower', () => {
    const tabs = mixed(12)
    const mesh = spread(tabs, meshOverlay(12, createRng(1))).lastMs
    expect(spread(tabs, starOverlay(12)).lastMs / mesh).toBeGreaterThan(3)
    expect(spread(tabs, chainOverlay(12)).lastMs / mesh).toBeGreaterThan(2)
  })

  test('tabs that leave and others that come in the middle delay it little', () => {
    const tabs = equal(16)
    const { lastMs, originCopies } = spread(tabs, meshOverlay(16, createRng(1)), { leavesPerMinute: 2 })
    expect(lastMs / least(tabs)).toBeLessThanOrEqual(2)
    expect(originCopies).toBeLessThanOrEqual(2.5)
  })
})

describe('whole weights', () => {
  test('come sooner from an origin that is much faster than the tabs are, which sends them no more often than once in a while', () => {
    const tabs = Array.from({ length: 4 }, () => nodeOf(3))
    const [step, whole] = [false, true].map(whole => spread(tabs, meshOverlay(4, createRng(1)), { whole, origin: nodeOf(100) }))
    expect(whole!.lastMs / step!.lastMs).toBeLessThan(0.8)
    expect(step!.originCopies).toBeLessThanOrEqual(1.2)
    expect(whole!.originCopies).toBeLessThanOrEqual(step!.originCopies + whole!.lastMs / FASTER_AGAIN_MS)
  })

  test('come from the tabs when those together are no slower: the origin sends them once', () => {
    const tabs = equal(8)
    expect(spread(tabs, meshOverlay(8, createRng(8)), { whole: true }).originCopies).toBeLessThanOrEqual(1.2)
  })
})

test('the same seed gives the same course', () => {
  const run = () => spread(mixed(6), meshOverlay(6, createRng(3)), { seed: 5, leavesPerMinute: 1 })
  expect(run()).toEqual(run())
})
