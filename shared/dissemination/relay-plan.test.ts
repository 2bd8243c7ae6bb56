import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { relayPlan, type RelayPeer } from './relay-plan.ts'
import { runs } from '../testing/property-runs.ts'

function linkMap(count: number, pairs: readonly (readonly [number, number])[], holders: readonly number[] = []): RelayPeer[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `p${index}`,
    holds: holders.includes(index),
    layers: null,
    links: new Set(pairs.flatMap(([a, b]) => (a === index ? [`p${b}`] : b === index ? [`p${a}`] : [])))
  }))
}

test('three linked tabs: the first fetches from the origin, the others from tabs', () => {
  const plan = relayPlan(linkMap(3, [[0, 1], [0, 2], [1, 2]]))
  expect([...plan]).toEqual([['p0', []], ['p1', ['p0']], ['p2', ['p0', 'p1']]])
})

test('a newcomer is supplied by those who hold the version, who need nothing', () => {
  const plan = relayPlan(linkMap(3, [[0, 2], [1, 2]], [1]))
  expect([...plan]).toEqual([['p2', ['p1']], ['p0', ['p2']]])
})

test('who prefers whom is spread once the fan-out of the first is used up', () => {
  const everybody = Array.from({ length: 6 }, (_, a) => Array.from({ length: a }, (_, b) => [b, a] as const)).flat()
  const plan = relayPlan(linkMap(6, everybody), { fanOut: 2, suppliers: 2 })
  expect([...plan.values()].map(suppliers => suppliers[0])).toEqual([undefined, 'p0', 'p0', 'p1', 'p1', 'p2'])
  expect([...plan.values()].map(suppliers => suppliers.length)).toEqual([0, 1, 2, 2, 2, 2])
})

test('any link map: suppliers are linked, come earlier, and the origin serves one peer of each component without a holder', () => {
  const maps = fc.integer({ min: 2, max: 14 }).chain(count => {
    const peer = fc.nat(count - 1)
    return fc.record({ count: fc.constant(count), pairs: fc.array(fc.tuple(peer, peer).filter(([a, b]) => a !== b), { maxLength: 30, size: 'max' }), holders: fc.array(peer, { maxLength: 3 }) })
  })
  fc.assert(
    fc.property(maps, fc.integer({ min: 1, max: 4 }), ({ count, pairs, holders }, fanOut) => {
      const peers = linkMap(count, pairs, holders)
      const plan = relayPlan(peers, { fanOut, suppliers: 3 })
      expect(plan.size).toBe(peers.filter(peer => !peer.holds).length)
      const served = new Set(peers.filter(peer => peer.holds).map(peer => peer.id))
      for (const [peer, suppliers] of plan) {
        expect(suppliers.length).toBeLessThanOrEqual(3)
        for (const supplier of suppliers) {
          expect(served.has(supplier)).toBe(true)
          expect(peers.find(other => other.id === peer)!.links.has(supplier)).toBe(true)
        }
        served.add(peer)
      }
      for (const component of components(peers)) {
        const fromOrigin = component.filter(peer => plan.get(peer.id)?.length === 0)
        expect(fromOrigin.length).toBe(component.some(peer => peer.holds) ? 0 : 1)
      }
    }),
    runs(500)
  )
})

function components(peers: readonly RelayPeer[]): RelayPeer[][] {
  const left = new Map(peers.map(peer => [peer.id, peer]))
  const found: RelayPeer[][] = []
  for (const peer of peers) {
    const component: RelayPeer[] = []
    const open = [peer.id]
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      const member = left.get(id)
      if (member === undefined) continue
      left.delete(id)
      component.push(member)
      open.push(...member.links)
    }
    if (component.length > 0) found.push(component)
  }
  return found
}
