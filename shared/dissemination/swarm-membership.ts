/** Joining, leaving and who links with whom. */
import { sha256Hex } from '../crypto/sha256.ts'
import { encodeUtf8 } from '../model/utf8.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import { refuse, type Refusal } from '../protocol/refusal.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import type { JoinRequest, PolicyAnnouncement, SignalSent } from '../protocol/volunteer-messages.ts'
import { relayPlan } from './relay-plan.ts'
import { newestPolicy, newestRun, type AnnouncedPolicy, type DirectoryConnection, type DirectoryEffect, type SwarmDirectory, type SwarmPeer, type SwarmRun } from './swarm-state.ts'

/** Links that a peer is given; it may be asked for more, up to `LIMITS.linksPerPeer`, by others who come later. */
const INTRODUCTIONS = 4

export function join(directory: SwarmDirectory, connection: DirectoryConnection, request: JoinRequest): DirectoryEffect[] {
  const admitted = admit(directory, request)
  if (admitted.kind === 'refused') return [{ kind: 'answer', answer: admitted }]
  const { run, base, newest } = admitted
  const effects: DirectoryEffect[] = []
  const former = run.peers.get(request.peer)
  if (connection.peer !== undefined) effects.push(...leave(directory, connection))
  if (former !== undefined && former.connection !== connection.id) {
    effects.push(...leave(directory, directory.connections.get(former.connection)!), { kind: 'close', connection: former.connection })
  }
  const peer: SwarmPeer = {
    id: request.peer,
    run: run.description.run,
    connection: connection.id,
    links: new Set(),
    lost: new Set(),
    announced: new Set([base.hash, newest.hash]),
    held: new Set(),
    wish: undefined,
    status: undefined
  }
  run.peers.set(peer.id, peer)
  connection.peer = peer
  const introductions = introduce(run, peer)
  const announce = (policy: AnnouncedPolicy): PolicyAnnouncement => ({ manifest: policy.manifest, suppliers: planRelay(run, policy).get(peer.id) ?? [] })
  effects.push({
    kind: 'answer',
    answer: { kind: 'welcome', description: run.description, base: announce(base), newest: announce(newest), iceServers: directory.options.iceServers }
  })
  if (run.trainer !== undefined) effects.push({ kind: 'tell', to: run.trainer, event: 'peer_joined', payload: { run: peer.run, peer: peer.id } })
  if (run.feed !== undefined) effects.push({ kind: 'tell', to: connection.id, event: 'run_feed', payload: run.feed })
  return [...effects, ...introductions]
}

type Admission = { readonly kind: 'admitted'; readonly run: SwarmRun; readonly base: AnnouncedPolicy; readonly newest: AnnouncedPolicy } | Refusal

function admit(directory: SwarmDirectory, request: JoinRequest): Admission {
  if (request.protocol !== PROTOCOL_VERSION) return refuse('unsupported_protocol', `this server speaks protocol ${PROTOCOL_VERSION}, the page ${request.protocol}: reload it`)
  const name = request.run ?? newestRun(directory)
  const run = name === undefined ? undefined : directory.runs.get(name)
  if (run === undefined) return refuse('unknown_run', name === undefined ? 'no run is open yet' : `run ${name} is not open here`)
  const base = run.policies.get(0)
  const newest = newestPolicy(run)
  if (base === undefined || newest === undefined) return refuse('no_trainer', `run ${name} has published no model yet`)
  const secret = sha256Hex(encodeUtf8(request.secret))
  if ((run.secrets.get(request.peer) ?? secret) !== secret) return refuse('peer_id_taken')
  if (run.peers.size >= LIMITS.peersPerRun && !run.peers.has(request.peer)) return refuse('server_full')
  run.secrets.delete(request.peer)
  run.secrets.set(request.peer, secret)
  if (run.secrets.size > 2 * LIMITS.peersPerRun) {
    const forgotten = [...run.secrets.keys()].find(peer => !run.peers.has(peer) && peer !== request.peer)
    if (forgotten !== undefined) run.secrets.delete(forgotten)
  }
  return { kind: 'admitted', run, base, newest }
}

/** The connection stays: its page may join again, and sees the feed. */
export function leave(directory: SwarmDirectory, connection: DirectoryConnection): DirectoryEffect[] {
  const { peer } = connection
  if (peer === undefined) return []
  connection.peer = undefined
  const run = directory.runs.get(peer.run)!
  run.peers.delete(peer.id)
  const effects: DirectoryEffect[] = []
  for (const other of run.peers.values()) {
    other.lost.delete(peer.id)
    if (other.links.delete(peer.id)) effects.push({ kind: 'tell', to: other.connection, event: 'peer_gone', payload: { peer: peer.id } })
  }
  if (run.trainer !== undefined) effects.push({ kind: 'tell', to: run.trainer, event: 'peer_left', payload: { run: peer.run, peer: peer.id } })
  return effects
}

/** Links the peer with those who have the fewest links, until it has its share. It initiates. */
function introduce(run: SwarmRun, peer: SwarmPeer): DirectoryEffect[] {
  const candidates = [...run.peers.values()]
    .filter(other => other !== peer && other.links.size < LIMITS.linksPerPeer && !peer.links.has(other.id) && !peer.lost.has(other.id))
    .toSorted((left, right) => left.links.size - right.links.size)
  return candidates.slice(0, Math.max(0, INTRODUCTIONS - peer.links.size)).flatMap((other): DirectoryEffect[] => {
    peer.links.add(other.id)
    other.links.add(peer.id)
    return [
      { kind: 'tell', to: other.connection, event: 'introduction', payload: { peer: peer.id, initiator: false } },
      { kind: 'tell', to: peer.connection, event: 'introduction', payload: { peer: other.id, initiator: true } }
    ]
  })
}

/** Both ends may say so; each is given somebody else as long as there is somebody. */
export function loseLink(run: SwarmRun, peer: SwarmPeer, lost: PeerId): DirectoryEffect[] {
  const other = run.peers.get(lost)
  if (other === undefined || !peer.links.has(lost)) return []
  peer.links.delete(lost)
  other.links.delete(peer.id)
  peer.lost.add(lost)
  other.lost.add(peer.id)
  return [...introduce(run, peer), ...introduce(run, other)]
}

export function passSignal(run: SwarmRun, from: SwarmPeer, { to, data }: SignalSent): DirectoryEffect[] {
  const receiver = run.peers.get(to)
  if (receiver === undefined || !from.links.has(to)) return [{ kind: 'refuse', refusal: refuse('unknown_peer', `no introduction to peer ${to}`) }]
  return [{ kind: 'tell', to: receiver.connection, event: 'signal', payload: { from: from.id, data } }]
}

/** @returns suppliers of every peer that lacks the version */
export function planRelay(run: SwarmRun, policy: AnnouncedPolicy): Map<PeerId, PeerId[]> {
  return relayPlan([...run.peers.values()].map(({ id, links, held }) => ({ id, links, holds: held.has(policy.hash) })))
}
