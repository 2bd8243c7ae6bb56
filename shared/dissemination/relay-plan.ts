/**
 * Who fetches a new version from whom: pipelined relaying along existing links, few copies from the origin (the peer-assisted
 * broadcast of ECHO-2). Suppliers always come earlier in the plan than the peers they supply, so nobody waits in a circle.
 */
import type { PeerId } from '../protocol/identifiers.ts'
import { rangeLength, without, type LayerRange } from '../scheduling/layer-range.ts'

export interface RelayPeer {
  readonly id: PeerId
  /** Has all of the version already. */
  readonly holds: boolean
  /** Peers that it has, or is about to have, a link with. */
  readonly links: ReadonlySet<PeerId>
  /** Those whose tensors it fetches and can supply; null: all of them. */
  readonly layers: LayerRange | null
}

export interface RelayLimits {
  /** Peers that count on one supplier as their preferred one. */
  readonly fanOut: number
  /** Suppliers named to one peer: the preferred one first, the others share the work and stand in for it. */
  readonly suppliers: number
}

export const RELAY_LIMITS: RelayLimits = { fanOut: 4, suppliers: 3 }

/**
 * @param peers in the order in which they joined: who came first fetches first. Links between others are ignored.
 * @returns the suppliers of every peer that lacks the version; none means the origin. When all hold all layers, each component of the link map without a holder has exactly one such peer.
 */
export function relayPlan(peers: readonly RelayPeer[], limits: RelayLimits = RELAY_LIMITS): Map<PeerId, PeerId[]> {
  const suppliersOf = new Map<PeerId, PeerId[]>()
  const preferredBy = new Map<PeerId, number>()
  const waiting = new Map(peers.filter(peer => !peer.holds).map(peer => [peer.id, peer]))
  const line = peers.filter(peer => peer.holds)
  const place = new Map(line.map((peer, index) => [peer.id, index]))
  const isFull = (peer: PeerId): boolean => (preferredBy.get(peer) ?? 0) >= limits.fanOut

  const enlist = (peer: RelayPeer): void => {
    const earlier = [...peer.links].filter(linked => place.has(linked) && hasAllOf(line[place.get(linked)!]!, peer)).toSorted((left, right) => place.get(left)! - place.get(right)!)
    // Whoever still has room comes first, near to the origin before far from it.
    const suppliers = [...earlier.filter(linked => !isFull(linked)), ...earlier.filter(isFull)].slice(0, limits.suppliers)
    const [preferred] = suppliers
    if (preferred !== undefined) preferredBy.set(preferred, (preferredBy.get(preferred) ?? 0) + 1)
    suppliersOf.set(peer.id, suppliers)
    waiting.delete(peer.id)
    place.set(peer.id, line.push(peer) - 1)
  }

  for (let next = 0; waiting.size > 0; next++) {
    if (next === line.length) enlist(waiting.values().next().value!)
    for (const linked of line[next]!.links) {
      const peer = waiting.get(linked)
      if (peer !== undefined) enlist(peer)
    }
  }
  return suppliersOf
}

function hasAllOf(supplier: RelayPeer, peer: RelayPeer): boolean {
  if (supplier.layers === null) return true
  return peer.layers !== null && without(peer.layers, supplier.layers).every(piece => rangeLength(piece) === 0)
}
