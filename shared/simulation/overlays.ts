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

/** One tree: everybody takes everything from its parent, who serves so many. */
export function treeOverlay(tabs: number, children: number): Overlay {
  return forest(tabs, [Array.from({ length: tabs }, (_, place) => place)], children)
}

/**
 * As many trees as everybody serves children: chunk c goes down tree c mod children, and whoever serves in one tree is a leaf in the others, so
 * that every uplink is used once (Castro et al. 2003, "SplitStream").
 */
export function stripesOverlay(tabs: number, children: number): Overlay {
  const trees = Array.from({ length: children }, (_, tree) => {
    const serves = (place: number): boolean => place % children === tree
    const places = Array.from({ length: tabs }, (_, place) => place)
    return [...places.filter(serves), ...places.filter(place => !serves(place))]
  })
  return forest(tabs, trees, children)
}

/** @param trees of each, the tabs by level: the first takes its chunks from the origin, the others from whoever is above them */
function forest(tabs: number, trees: readonly (readonly number[])[], children: number): Overlay {
  const parents = trees.map(order => {
    const parentOf = new Map<number, number>()
    for (const [index, place] of order.entries()) if (index > 0) parentOf.set(place, order[Math.floor((index - 1) / children)]!)
    return parentOf
  })
  const links = Array.from({ length: tabs }, () => new Set<number>())
  for (const parentOf of parents) {
    for (const [place, parent] of parentOf) {
      links[place]!.add(parent)
      links[parent]!.add(place)
    }
  }
  const treeOf = (chunk: number): number => chunk % trees.length
  return {
    links,
    fromOrigin: (chunk, tab) => trees[treeOf(chunk)]![0] === tab,
    passesOn: (chunk, from, to) => parents[treeOf(chunk)]!.get(to) === from
  }
}
