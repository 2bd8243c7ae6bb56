import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { routeChain, type ChainRoute, type SliceHost } from './chain-routing.ts'
import { createLinkMap, markUnlinkable, oneWayDelays, reportRoundTrips, type LinkMap } from './link-map.ts'
import type { MissingLayers } from './missing-layers.ts'
import { cheapestRing, type Ring, type RingHost } from './ring-search.ts'

const LAYERS = 6
const ms = fc.double({ min: 0.1, max: 20, noNaN: true })
/** Small beside a layer's cost, so that changing hosts often pays. */
const hopMs = fc.double({ min: 0.1, max: 4, noNaN: true })

interface Instance {
  readonly hosts: readonly RingHost[]
  readonly delays: Float64Array
}

const host = fc
  .record({ start: fc.nat(LAYERS - 1), length: fc.integer({ min: 1, max: LAYERS }), layerMs: ms, queueMs: hopMs, sendMs: hopMs })
  .map(({ start, length, ...cost }): RingHost => ({ ...cost, start, end: Math.min(LAYERS, start + length) }))
const hosts = fc.array(host, { minLength: 1, maxLength: 5 })

/** Delays of any kind: no triangle inequality, and one link in four cannot be made. */
const anyInstance: fc.Arbitrary<Instance> = hosts.chain(hosts =>
  fc.array(fc.oneof({ weight: 3, arbitrary: hopMs }, { weight: 1, arbitrary: fc.constant(Infinity) }), { minLength: hosts.length ** 2, maxLength: hosts.length ** 2 }).map(delays => ({
    hosts,
    delays: Float64Array.from(delays, (delay, index) => (index % (hosts.length + 1) === 0 ? 0 : delay))
  }))
)

/** Peers on a plane, so a detour is never shorter; and no slice lies inside another, so nobody would be worth entering twice. */
const planarInstance: fc.Arbitrary<Instance> = fc
  .array(fc.record({ host, x: hopMs, y: hopMs }), { minLength: 1, maxLength: 5 })
  .map(placed => {
    const starts = placed.map(({ host }) => host.start).toSorted((a, b) => a - b)
    const ends = placed.map(({ host }) => host.end).toSorted((a, b) => a - b)
    return {
      hosts: placed.map(({ host }, index) => ({ ...host, start: starts[index]!, end: ends[index]! })),
      delays: Float64Array.from(placed.flatMap(from => placed.map(to => Math.hypot(from.x - to.x, from.y - to.y))))
    }
  })

function ringMs({ hosts, delays }: Instance, pieces: Ring['pieces']): number {
  return pieces.reduce((total, { host, start, end }, index) => {
    const next = pieces[(index + 1) % pieces.length]!.host
    const { layerMs, queueMs, sendMs } = hosts[host]!
    return total + queueMs + layerMs * (end - start) + delays[host * hosts.length + next]! + (index < pieces.length - 1 ? sendMs : 0)
  }, 0)
}

/** Every way to tile the layers, one by one. */
function bruteForce(instance: Instance, distinct: boolean): { ms: number; pieces: Ring['pieces'] } {
  let best: { ms: number; pieces: Ring['pieces'] } = { ms: Infinity, pieces: [] }
  const extend = (pieces: Ring['pieces'], reached: number): void => {
    if (reached === LAYERS) {
      const ms = ringMs(instance, pieces)
      if (ms < best.ms) best = { ms, pieces }
      return
    }
    for (const [host, { start, end }] of instance.hosts.entries()) {
      if (start > reached || pieces.at(-1)?.host === host || (distinct && pieces.some(piece => piece.host === host))) continue
      for (let next = reached + 1; next <= end; next++) extend([...pieces, { host, start: reached, end: next }], next)
    }
  }
  extend([], 0)
  return best
}

function expectValid(instance: Instance, ring: Ring): void {
  expect(ring.ms).toBeCloseTo(ringMs(instance, ring.pieces), 6)
  expect(new Set(ring.pieces.map(({ host }) => host)).size).toBe(ring.pieces.length)
  expect([0, ...ring.pieces.map(({ end }) => end)]).toEqual([...ring.pieces.map(({ start }) => start), LAYERS])
  for (const { host, start, end } of ring.pieces) {
    expect(start).toBeLessThan(end)
    expect(instance.hosts[host]!.start).toBeLessThanOrEqual(start)
    expect(end).toBeLessThanOrEqual(instance.hosts[host]!.end)
  }
}

describe('against brute force over all chains', () => {
  test('on a plane, the ring is the cheapest of all, also when hosts hand over at the ends of slices only', () => {
    fc.assert(
      fc.property(planarInstance, fc.boolean(), (instance, everyLayer) => {
        const ring = cheapestRing(LAYERS, instance.hosts, instance.delays, everyLayer)
        const best = bruteForce(instance, true)
        expect(ring?.ms ?? Infinity).toBeCloseTo(best.ms, 6)
        if (ring !== undefined) expectValid(instance, ring)
      }),
      runs(300)
    )
  })

  test('with any delays and missing links, a ring is found exactly if there is one, and it is valid', () => {
    fc.assert(
      fc.property(anyInstance, instance => {
        const ring = cheapestRing(LAYERS, instance.hosts, instance.delays, true)
        const best = bruteForce(instance, true)
        expect(ring === undefined).toBe(best.ms === Infinity)
        if (ring === undefined) return
        expectValid(instance, ring)
        expect(ring.ms).toBeGreaterThanOrEqual(best.ms - 1e-6)
      }),
      runs(300)
    )
  })

  test('with any delays and missing links, it is the cheapest wherever entering a host twice would not be cheaper still', () => {
    fc.assert(
      fc.property(anyInstance, instance => {
        const best = bruteForce(instance, false)
        fc.pre(best.ms < Infinity && new Set(best.pieces.map(({ host }) => host)).size === best.pieces.length)
        expect(cheapestRing(LAYERS, instance.hosts, instance.delays, true)!.ms).toBeCloseTo(best.ms, 6)
      }),
      runs(300)
    )
  })
})

const VERSION = 4
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
const mostly = fc.nat(7).map(draw => draw > 0)
const sliceHosts: fc.Arbitrary<SliceHost[]> = fc.array(
  fc.record({ host, embed: mostly, head: mostly, versions: fc.subarray([3, VERSION]), ready: fc.boolean(), freeRows: fc.nat(2) }).map(({ host: { start, end, ...cost }, embed, head, ...rest }) => ({ ...rest, slice: { start, end, embed, head }, cost })),
  { maxLength: NAMES.length }
).map(hosts => hosts.map((host, index) => ({ ...host, peer: NAMES[index]! })))
const pair = fc.tuple(fc.nat(NAMES.length - 1), fc.nat(NAMES.length - 1)).filter(([a, b]) => a !== b)
const linkMap: fc.Arbitrary<LinkMap> = fc.record({ measured: fc.array(fc.tuple(pair, ms)), failed: fc.array(pair, { maxLength: 8 }) }).map(({ measured, failed }) => {
  const map = createLinkMap()
  for (const from of NAMES.keys()) {
    reportRoundTrips(map, NAMES[from]!, measured.filter(([[a]]) => a === from).map(([[, b], ms]) => ({ peer: NAMES[b]!, ms })))
  }
  for (const [a, b] of failed) markUnlinkable(map, NAMES[a]!, NAMES[b]!)
  return map
})

const isUsable = (host: SliceHost, excluded: readonly string[]): boolean => host.ready && host.versions.includes(VERSION) && host.freeRows > 0 && !excluded.includes(host.peer)

function expectUsableChain(route: Extract<ChainRoute, { kind: 'chain' }>, usable: readonly SliceHost[], links: LinkMap): void {
  const ring = { ms: route.circuitMs, pieces: route.stages.map(({ peer, layers }) => ({ host: usable.findIndex(host => host.peer === peer), ...layers })) }
  expect(ring.pieces.map(({ host }) => host)).not.toContain(-1)
  expect(usable[ring.pieces[0]!.host]!.slice.embed).toBe(true)
  expect(usable[ring.pieces.at(-1)!.host]!.slice.head).toBe(true)
  expectValid({ hosts: usable.map(({ slice, cost }) => ({ ...slice, ...cost })), delays: oneWayDelays(links, usable.map(host => host.peer)) }, ring)
}

/** Every layer without a usable host is named with a reason that one of its hosts gives; links are blamed only where there is no such layer. */
function expectReasons(missing: readonly MissingLayers[], hosts: readonly SliceHost[], excluded: readonly string[]): void {
  const reasons = Array.from({ length: LAYERS }, (_, layer) => missing.find(({ layers }) => layers.start <= layer && layer < layers.end)?.reason)
  const possible = reasons.map((_, layer) => {
    const here = hosts.filter(({ slice }) => slice.start <= layer && layer < slice.end && (layer > 0 || slice.embed) && (layer < LAYERS - 1 || slice.head))
    if (here.some(host => isUsable(host, excluded))) return [undefined]
    return [
      ...(here.some(host => host.freeRows === 0) ? ['no_memory'] : []),
      ...(here.some(host => !host.versions.includes(VERSION)) ? ['stale_version'] : []),
      ...(here.every(host => !host.ready || excluded.includes(host.peer)) ? ['absent_peer'] : [])
    ]
  })
  const isCovered = possible.every(([first]) => first === undefined)
  reasons.forEach((reason, layer) => expect(isCovered ? [undefined, 'no_link'] : possible[layer]).toContain(reason))
}

describe('for any hosts, versions and links', () => {
  test('a chain uses only peers that are ready, not excluded, of the version, with memory left and linked; or every missing layer is named', () => {
    fc.assert(
      fc.property(sliceHosts, linkMap, fc.subarray(NAMES), (hosts, links, excluded) => {
        const route = routeChain({ layers: LAYERS, version: VERSION, excluded: new Set(excluded) }, hosts, links)
        expect(route.kind === 'chain' || route.missing.length > 0).toBe(true)
        if (route.kind === 'chain') expectUsableChain(route, hosts.filter(host => isUsable(host, excluded)), links)
        else expectReasons(route.missing, hosts, excluded)
      }),
      runs(400)
    )
  })

  test('the order in which hosts are listed changes nothing, even where chains cost the same', () => {
    const alike = sliceHosts.map(hosts => hosts.map(host => ({ ...host, versions: [VERSION], ready: true, freeRows: 1, slice: { ...host.slice, embed: true, head: true }, cost: { layerMs: 1, queueMs: 0, sendMs: 0 } })))
    fc.assert(
      fc.property(alike.chain(hosts => fc.tuple(fc.constant(hosts), fc.shuffledSubarray(hosts, { minLength: hosts.length }))), ([hosts, shuffled]) => {
        const request = { layers: LAYERS, version: VERSION }
        expect(routeChain(request, shuffled, createLinkMap())).toEqual(routeChain(request, hosts, createLinkMap()))
      }),
      runs(400)
    )
  })
})
