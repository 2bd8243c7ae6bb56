/** Who links with whom, and what passes between two who do not have their link yet. */
import type { PeerId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { Rng } from '../random/rng.ts'
import { refuse } from '../protocol/refusal.ts'
import type { SignalSent } from '../protocol/volunteer-messages.ts'
import type { DirectoryEffect, SwarmPeer, SwarmRun } from './swarm-state.ts'

/** Links that a peer is given to exchange chunks. */
const INTRODUCTIONS = 4
/** It may be asked for more by others who come later; the rest is for the neighbours in a pipeline. */
const LINKS_BY_CHANCE = LIMITS.linksPerPeer - 4

/**
 * Links the peer with others, drawn by chance, until it has its share. It initiates. By chance, for then few links lead from anybody
 * to anybody; were those with the fewest links preferred, who came late would only know who came late, and a version would crawl from one to the next.
 */
export function introduce(run: SwarmRun, peer: SwarmPeer, rng: Rng): DirectoryEffect[] {
  const candidates = [...run.peers.values()].filter(other => other !== peer && other.links.size + other.claimed.size < LINKS_BY_CHANCE && !peer.links.has(other.id) && !peer.lost.has(other.id))
  const effects: DirectoryEffect[] = []
  for (let missing = INTRODUCTIONS - peer.links.size - peer.claimed.size; missing > 0 && candidates.length > 0; missing--) {
    const [other] = candidates.splice(rng.below(candidates.length), 1)
    effects.push(...introduceTo(other!, peer))
  }
  return effects
}

/** Nothing happens between peers who are linked, or of whom one has as many links as it may. The second initiates. */
export function introduceTo(first: SwarmPeer, second: SwarmPeer): DirectoryEffect[] {
  if (first.links.has(second.id) || Math.max(...[first, second].map(({ links, claimed }) => links.size + claimed.size)) >= LIMITS.linksPerPeer) return []
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
  peer.claimed.delete(lost)
  if (other === undefined || !peer.links.has(lost)) return []
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
