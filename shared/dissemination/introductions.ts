/** Who links with whom, and what passes between two who do not have their link yet. */
import type { PeerId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { Rng } from '../random/rng.ts'
import { refuse } from '../protocol/refusal.ts'
import type { SignalSent } from '../protocol/volunteer-messages.ts'
import type { DirectoryEffect, SwarmPeer, SwarmRun } from './swarm-state.ts'

/** Links that everybody has to exchange chunks, when there are so many others. Beyond them, neighbours in a pipeline are linked. */
export const NEIGHBOURS = 8

type Links = Pick<SwarmPeer, 'id' | 'connection' | 'links' | 'lost' | 'claimed'>
interface Linked {
  readonly peers: ReadonlyMap<PeerId, Links>
  readonly layers: SwarmRun['layers']
}

/**
 * Links the peer with others, drawn by chance, until it has its share; it initiates. When nobody lacks a link, links between others make
 * way: each of two who were linked is linked with it instead. So everybody has equally many whenever it came, and few links lead from
 * anybody to anybody (Law and Siu 2003, "Distributed Construction of Random Expander Networks"). Were a newcomer just added to those
 * who have room, who came late would only know who came late, and a version would crawl from one to the next.
 */
export function introduce(run: Linked, peer: Links, rng: Rng): DirectoryEffect[] {
  const effects: DirectoryEffect[] = []
  const others = [...run.peers.values()].filter(other => other !== peer && isFree(peer, other))
  const lacking = others.filter(other => linksOf(other) < NEIGHBOURS)
  while (linksOf(peer) < NEIGHBOURS && lacking.length > 0) effects.push(...introduceTo(draw(lacking, rng), peer))
  const settled = others.filter(other => linksOf(other) >= NEIGHBOURS && !peer.links.has(other.id))
  while (linksOf(peer) < NEIGHBOURS - 1 && settled.length > 0) {
    const first = draw(settled, rng)
    const partners = [...first.links].flatMap(id => run.peers.get(id) ?? []).filter(second => isFree(peer, second) && !areStages(run, first.id, second.id))
    if (partners.length === 0 || !isFree(peer, first)) continue
    const second = draw(partners, rng)
    effects.push(...separate(first, second), ...introduceTo(first, peer), ...introduceTo(second, peer))
  }
  return effects
}

function linksOf({ links, claimed }: Links): number {
  return links.size + claimed.size
}

function isFree(peer: Links, other: Links): boolean {
  return other !== peer && !peer.links.has(other.id) && !peer.lost.has(other.id)
}

function draw<Item>(items: Item[], rng: Rng): Item {
  return items.splice(rng.below(items.length), 1)[0]!
}

/** Neighbours in a pipeline, whose last stage returns to the first. */
function areStages({ layers }: Linked, a: PeerId, b: PeerId): boolean {
  for (const { stages } of layers?.serving.pipelines.values() ?? []) {
    const place = stages.findIndex(({ peer }) => peer === a)
    if (place !== -1 && [stages.at(place - 1)!, stages[(place + 1) % stages.length]!].some(({ peer }) => peer === b)) return true
  }
  return false
}

function separate(first: Links, second: Links): DirectoryEffect[] {
  first.links.delete(second.id)
  second.links.delete(first.id)
  return [
    { kind: 'tell', to: first.connection, event: 'peer_gone', payload: { peer: second.id } },
    { kind: 'tell', to: second.connection, event: 'peer_gone', payload: { peer: first.id } }
  ]
}

/** Nothing happens between peers who are linked, or of whom one has as many links as it may. The second initiates. */
export function introduceTo(first: Links, second: Links): DirectoryEffect[] {
  if (first.links.has(second.id) || Math.max(linksOf(first), linksOf(second)) >= LIMITS.linksPerPeer) return []
  for (const [peer, other] of [[first, second], [second, first]] as const) {
    peer.links.add(other.id)
    peer.lost.delete(other.id)
  }
  return [
    { kind: 'tell', to: first.connection, event: 'introduction', payload: { peer: second.id, initiator: false } },
    { kind: 'tell', to: second.connection, event: 'introduction', payload: { peer: first.id, initiator: true } }
  ]
}

/** Both ends may say so; each is given somebody else as long as there is somebody. */
export function loseLink(run: SwarmRun, peer: SwarmPeer, lost: PeerId, rng: Rng): DirectoryEffect[] {
  const other = run.peers.get(lost)
  const wasClaimed = peer.claimed.delete(lost)
  if (other === undefined || !peer.links.has(lost)) return wasClaimed ? introduce(run, peer, rng) : []
  peer.links.delete(lost)
  other.links.delete(peer.id)
  peer.lost.add(lost)
  other.lost.add(peer.id)
  return [...introduce(run, peer, rng), ...introduce(run, other, rng)]
}

export function passSignal(run: SwarmRun, from: SwarmPeer, { to, data }: SignalSent): DirectoryEffect[] {
  const receiver = run.peers.get(to)
  if (receiver === undefined || !from.links.has(to)) return [{ kind: 'refuse', refusal: refuse('unknown_peer', `no introduction to peer ${to}`) }]
  return [{ kind: 'tell', to: receiver.connection, event: 'signal', payload: { from: from.id, data } }]
}
