/**
 * Regions: groups of peers that are much nearer to each other than to the rest, found in the round trips alone. Single-link clustering (Gower & Ross
 * 1969: the minimum spanning tree, cut where its edges jump), because it needs no more than the few pairs that are linked and measured.
 * Where there is no clear jump there is one region: on a smooth map any border would be arbitrary.
 */
import type { PeerId } from '../protocol/identifiers.ts'
import { measuredRoundTrip, type LinkMap } from './link-map.ts'

/** The shortest way between regions is this many times the longest link that a region needs to hang together. */
const LEAST_JUMP = 2
/** Nearer than this is near, whatever the proportions: tabs of one house are no regions. Milliseconds. */
const NEAR_MS = 10

/** @returns the region of every peer, named after its first peer. Who has measured nobody counts to the largest region. */
export function regionsOf(map: LinkMap, peers: readonly PeerId[]): Map<PeerId, string> {
  const tree = spanningTree(map, peers)
  const limit = longestWithin(tree.map(edge => edge.ms))
  const regions = clusters(peers, tree.filter(edge => edge.ms <= limit))
  const linked = new Set(tree.flatMap(({ a, b }) => [a, b]))
  const largest = regions.reduce<readonly PeerId[]>((most, region) => (region.length > most.length ? region : most), [])
  return new Map(regions.flatMap(region => region.map(peer => [peer, linked.has(peer) ? region[0]! : (largest[0] ?? peer)])))
}

interface Edge {
  readonly a: PeerId
  readonly b: PeerId
  readonly ms: number
}

/** Kruskal's, over measured pairs: a forest if they do not connect everybody. Shortest first. */
function spanningTree(map: LinkMap, peers: readonly PeerId[]): Edge[] {
  const known = new Set(peers)
  const edges: Edge[] = []
  for (const [a, others] of map.roundTrips) {
    for (const b of others.keys()) if (known.has(a) && known.has(b)) edges.push({ a, b, ms: measuredRoundTrip(map, a, b)! })
  }
  const joined = disjointSets(peers)
  return edges.toSorted((left, right) => left.ms - right.ms || compare(left.a, right.a) || compare(left.b, right.b)).filter(({ a, b }) => joined.unite(a, b))
}

/** @param lengths ascending. @returns the longest before the steepest jump, Infinity if none is steep */
function longestWithin(lengths: readonly number[]): number {
  let steepest = LEAST_JUMP
  let limit = Infinity
  for (let index = 1; index < lengths.length; index++) {
    const jump = lengths[index]! / Math.max(lengths[index - 1]!, NEAR_MS)
    if (jump < steepest) continue
    steepest = jump
    limit = lengths[index - 1]!
  }
  return limit
}

/** @returns groups in the order of their first peers, each in order */
function clusters(peers: readonly PeerId[], edges: readonly Edge[]): PeerId[][] {
  const sets = disjointSets(peers)
  for (const { a, b } of edges) sets.unite(a, b)
  const groups = new Map<PeerId, PeerId[]>()
  for (const peer of peers.toSorted(compare)) {
    const root = sets.find(peer)
    const group = groups.get(root)
    if (group === undefined) groups.set(root, [peer])
    else group.push(peer)
  }
  return [...groups.values()]
}

/** Union-find with path halving. */
function disjointSets(members: readonly PeerId[]) {
  const parent = new Map(members.map(member => [member, member]))
  const find = (member: PeerId): PeerId => {
    let at = member
    while (parent.get(at) !== at) {
      parent.set(at, parent.get(parent.get(at)!)!)
      at = parent.get(at)!
    }
    return at
  }
  return {
    find,
    /** @returns whether they were apart */
    unite(a: PeerId, b: PeerId): boolean {
      const [rootA, rootB] = [find(a), find(b)]
      parent.set(rootB, rootA)
      return rootA !== rootB
    }
  }
}

function compare(a: PeerId, b: PeerId): number {
  return a < b ? -1 : a > b ? 1 : 0
}
