/** Round trips between peers as their ends measured them: peer to peer, since what a peer needs to the server says little about them. */
import type { PeerId } from '../protocol/identifiers.ts'
import type { ProfileReport } from '../protocol/profile-report.ts'

export interface LinkMap {
  /** By who measured, then to whom; milliseconds. */
  readonly roundTrips: Map<PeerId, Map<PeerId, number>>
  /** Pairs that tried and could not be linked; in both directions. */
  readonly unlinkable: Map<PeerId, Set<PeerId>>
}

/** Of a pair that nobody has measured but that can be linked (Parallax reports the same). Dear enough that measured links are preferred. */
export const UNKNOWN_ROUND_TRIP_MS = 100

export function createLinkMap(): LinkMap {
  return { roundTrips: new Map(), unlinkable: new Map() }
}

/** Replaces what the peer reported before. Whoever has a round trip has a link. */
export function reportRoundTrips(map: LinkMap, peer: PeerId, roundTrips: ProfileReport['roundTrips']): void {
  map.roundTrips.set(peer, new Map(roundTrips.map(({ peer: other, ms }) => [other, ms])))
  for (const { peer: other } of roundTrips) {
    map.unlinkable.get(peer)?.delete(other)
    map.unlinkable.get(other)?.delete(peer)
  }
}

export function markUnlinkable(map: LinkMap, a: PeerId, b: PeerId): void {
  for (const [from, to] of [[a, b], [b, a]] as const) {
    const others = map.unlinkable.get(from)
    if (others === undefined) map.unlinkable.set(from, new Set([to]))
    else others.add(to)
    map.roundTrips.get(from)?.delete(to)
  }
}

export function forgetPeer(map: LinkMap, peer: PeerId): void {
  map.roundTrips.delete(peer)
  for (const others of map.roundTrips.values()) others.delete(peer)
  for (const other of map.unlinkable.get(peer) ?? []) map.unlinkable.get(other)?.delete(peer)
  map.unlinkable.delete(peer)
}

/** @returns milliseconds; undefined where nobody measured. Both ends report a minimum, so the lesser is nearer to the truth. */
export function measuredRoundTrip(map: LinkMap, a: PeerId, b: PeerId): number | undefined {
  const there = map.roundTrips.get(a)?.get(b)
  const back = map.roundTrips.get(b)?.get(a)
  return there === undefined ? back : back === undefined ? there : Math.min(there, back)
}

/** @returns one-way delays in milliseconds, half a round trip, by place in `peers`, row by row; Infinity where no link can be made, 0 to oneself */
export function oneWayDelays(map: LinkMap, peers: readonly PeerId[]): Float64Array {
  const size = peers.length
  const unmeasured = -1
  const delays = new Float64Array(size ** 2).fill(unmeasured)
  const place = new Map(peers.map((peer, index) => [peer, index]))
  peers.forEach((peer, from) => {
    for (const [other, ms] of map.roundTrips.get(peer) ?? []) {
      const to = place.get(other)
      if (to === undefined) continue
      const opposite = delays[to * size + from]!
      delays[from * size + to] = delays[to * size + from] = opposite === unmeasured ? ms / 2 : Math.min(opposite, ms / 2)
    }
    delays[from * size + from] = 0
  })
  for (let index = 0; index < delays.length; index++) if (delays[index] === unmeasured) delays[index] = UNKNOWN_ROUND_TRIP_MS / 2
  for (const [from, peer] of peers.entries()) {
    for (const other of map.unlinkable.get(peer) ?? []) {
      const to = place.get(other)
      if (to !== undefined) delays[from * size + to] = Infinity
    }
  }
  return delays
}
