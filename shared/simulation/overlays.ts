/** Who is linked with whom, for the simulation of dissemination: what a swarm makes, and textbook ways to compare it with. */
import { introduce } from '../dissemination/introductions.ts'
import type { Rng } from '../random/rng.ts'
import type { Overlay } from './dissemination.ts'

/** As the signaling server introduces everybody who comes. */
export function meshOverlay(tabs: number, rng: Rng): Overlay {
  const peers = new Map<string, ReturnType<typeof newcomer>>()
  for (let place = 0; place < tabs; place++) join(peers, place, rng)
  const linksOf = (place: number): Set<number> => new Set([...peers.get(String(place))!.links].map(Number))
  return {
    links: Array.from({ length: tabs }, (_, place) => linksOf(place)),
    replace: place => {
      for (const other of peers.values()) other.links.delete(String(place))
      join(peers, place, rng)
      for (const peer of peers.values()) introduce({ peers, layers: undefined }, peer, rng)
      return Array.from({ length: tabs }, (_, other) => linksOf(other))
    }
  }
}

function newcomer(place: number) {
  return { id: String(place), connection: '', links: new Set<string>(), lost: new Set<string>(), claimed: new Set<string>() }
}

function join(peers: Map<string, ReturnType<typeof newcomer>>, place: number, rng: Rng): void {
  const peer = newcomer(place)
  peers.set(peer.id, peer)
  introduce({ peers, layers: undefined }, peer, rng)
}

/** Everybody takes everything from the origin. */
export function starOverlay(tabs: number): Overlay {
  return { links: Array.from({ length: tabs }, () => new Set()), fromOrigin: () => true }
}

/** One line: the first takes everything from the origin, everybody else from whoever is before it. */
export function chainOverlay(tabs: number): Overlay {
  const links = Array.from({ length: tabs }, (_, place) => new Set([place - 1, place + 1].filter(other => other >= 0 && other < tabs)))
  return { links, fromOrigin: (_, tab) => tab === 0, passesOn: (_, from, to) => to === from + 1 }
}
