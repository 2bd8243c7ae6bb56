import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from '../protocol/limits.ts'
import { createRng } from '../random/rng.ts'
import { runs } from '../testing/property-runs.ts'
import { introduce, NEIGHBOURS } from './introductions.ts'

interface Node {
  readonly id: string
  readonly connection: string
  readonly links: Set<string>
  readonly lost: Set<string>
  readonly claimed: Set<string>
}

function createSwarm(seed: number) {
  const peers = new Map<string, Node>()
  const rng = createRng(seed)
  const run = { peers, layers: undefined }
  let came = 0
  const join = (): void => {
    const peer: Node = { id: String(came++), connection: '', links: new Set(), lost: new Set(), claimed: new Set() }
    peers.set(peer.id, peer)
    introduce(run, peer, rng)
  }
  const leave = (place: number): void => {
    const peer = [...peers.values()][place % peers.size]!
    peers.delete(peer.id)
    const left = [...peers.values()].filter(other => other.links.delete(peer.id))
    for (const other of left) introduce(run, other, rng)
  }
  return { peers, join, leave }
}

/** Links from the first peer to the one that is farthest away; Infinity where somebody cannot be reached. */
function eccentricity(peers: ReadonlyMap<string, Node>): number {
  const [first] = peers.values()
  const reached = new Set([first!.id])
  let edge = [first!]
  let steps = 0
  for (; edge.length > 0 && reached.size < peers.size; steps++) {
    edge = edge.flatMap(({ links }) => [...links].filter(id => !reached.has(id) && reached.add(id)).map(id => peers.get(id)!))
  }
  return reached.size === peers.size ? steps : Infinity
}

test('whoever comes and goes, everybody is linked with enough others, both ways, and can be reached', () => {
  const steps = fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant<'join'>('join') }, { weight: 1, arbitrary: fc.nat(1000) }), { minLength: 1, maxLength: 120 })
  fc.assert(
    fc.property(steps, fc.nat(), (steps, seed) => {
      const { peers, join, leave } = createSwarm(seed)
      for (const step of steps) {
        if (step === 'join') join()
        else if (peers.size > 0) leave(step)
      }
      if (peers.size === 0) return
      for (const { id, links } of peers.values()) {
        for (const other of links) expect(peers.get(other)?.links.has(id)).toBe(true)
        expect(links.has(id)).toBe(false)
        expect(links.size).toBeLessThanOrEqual(LIMITS.linksPerPeer)
        expect(links.size).toBeGreaterThanOrEqual(Math.min(peers.size - 1, NEIGHBOURS - 1))
      }
      expect(eccentricity(peers)).toBeLessThan(Infinity)
    }),
    { ...runs(150), endOnFailure: true }
  )
})

test('in a large swarm everybody has equally many links, and is few links away from everybody, whenever it came', () => {
  const { peers, join } = createSwarm(1)
  for (let index = 0; index < 1000; index++) join()
  const counts = [...peers.values()].map(({ links }) => links.size)
  expect([Math.min(...counts), Math.max(...counts)]).toEqual([NEIGHBOURS, NEIGHBOURS])
  expect(eccentricity(peers)).toBeLessThanOrEqual(6)
})
