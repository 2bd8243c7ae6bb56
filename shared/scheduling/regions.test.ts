import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRng } from '../random/rng.ts'
import { runs } from '../testing/property-runs.ts'
import { createLinkMap, reportRoundTrips, type LinkMap } from './link-map.ts'
import { regionsOf } from './regions.ts'

interface Place {
  readonly peer: string
  readonly x: number
  readonly y: number
}

/** Everybody measures some others at random; a unit of distance is a millisecond. */
function measured(places: readonly Place[], linksEach: number, seed: number): LinkMap {
  const rng = createRng(seed)
  const map = createLinkMap()
  for (const from of places) {
    const others = places.filter(place => place !== from).map(place => ({ place, at: rng.float() })).toSorted((a, b) => a.at - b.at).slice(0, linksEach)
    reportRoundTrips(map, from.peer, others.map(({ place }) => ({ peer: place.peer, ms: 2 + Math.hypot(from.x - place.x, from.y - place.y) })))
  }
  return map
}

/** @returns which peers are together, whatever the regions are called */
function partition(regions: ReadonlyMap<string, string>): string[] {
  const members = new Map<string, string[]>()
  for (const [peer, region] of regions) members.set(region, [...(members.get(region) ?? []), peer])
  return [...members.values()].map(peers => peers.toSorted().join(' ')).toSorted()
}

const CONTINENTS = [{ x: 0, y: 0 }, { x: 90, y: 0 }, { x: 30, y: 160 }]

function geography(sizes: readonly number[], seed: number): Place[] {
  const rng = createRng(seed)
  return sizes.flatMap((size, continent) =>
    Array.from({ length: size }, (_, index) => ({ peer: `${'abc'[continent]}${index}`, x: CONTINENTS[continent]!.x + 12 * rng.float(), y: CONTINENTS[continent]!.y + 12 * rng.float() }))
  )
}

const sizes = fc.array(fc.integer({ min: 2, max: 9 }), { minLength: 1, maxLength: 3 })

test('continents are found, whoever is where and however many, and named after their first peers', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), (sizes, seed) => {
      const places = geography(sizes, seed)
      const regions = regionsOf(measured(places, places.length, seed), places.map(({ peer }) => peer))
      expect(regions).toEqual(new Map(places.map(({ peer }) => [peer, `${peer[0]}0`])))
    }),
    runs(100)
  )
})

test('twelve links each among 120 peers are enough', () => {
  const places = geography([50, 40, 30], 7)
  expect(new Set(regionsOf(measured(places, 12, 7), places.map(({ peer }) => peer)).values())).toEqual(new Set(['a0', 'b0', 'c0']))
})

test('one house, one street or an even country is one region', () => {
  const house = [0, 1, 2, 9].map((x, index) => ({ peer: `h${index}`, x, y: 0 }))
  const street = Array.from({ length: 20 }, (_, index) => ({ peer: `s${index}`, x: 15 * index, y: 0 }))
  const country = Array.from({ length: 36 }, (_, index) => ({ peer: `c${index}`, x: 25 * (index % 6), y: 25 * Math.floor(index / 6) }))
  for (const places of [house, street, country]) {
    expect(partition(regionsOf(measured(places, places.length, 1), places.map(({ peer }) => peer)))).toHaveLength(1)
  }
})

test('a newcomer who has measured nobody counts to the largest region, and an unmeasured fleet is one', () => {
  const places = geography([3, 5], 1)
  const regions = regionsOf(measured(places, 8, 1), [...places.map(({ peer }) => peer), 'new'])
  expect(regions.get('new')).toBe('b0')
  expect(partition(regionsOf(createLinkMap(), ['q', 'p', 'r']))).toEqual(['p q r'])
})

test('the order of peers and of reports changes nothing', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(), (sizes, seed, shuffle) => {
      const places = geography(sizes, seed)
      const rng = createRng(shuffle)
      const shuffled = places.map(place => ({ place, at: rng.float() })).toSorted((a, b) => a.at - b.at).map(({ place }) => place)
      const map = measured(places, 4, seed)
      const reordered: LinkMap = { roundTrips: new Map(shuffled.map(({ peer }) => [peer, map.roundTrips.get(peer)!])), unlinkable: new Map() }
      const peers = (of: readonly Place[]) => of.map(({ peer }) => peer)
      expect(regionsOf(reordered, peers(shuffled))).toEqual(regionsOf(map, peers(places)))
    }),
    runs(60)
  )
})
