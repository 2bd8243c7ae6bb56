/** Joining and leaving. */
import type { PeerId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import { refuse, type Refusal } from '../protocol/refusal.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import type { IceServers, JoinRequest } from '../protocol/volunteer-messages.ts'
import { introduce } from './introductions.ts'
import { returnGrants } from './origin-grants.ts'
import { isSignedJoin, peerIdOf } from './peer-identity.ts'
import { stepLayers } from './swarm-layers.ts'
import { announcement, isJoinable, newestPolicy, newestRun, type AnnouncedPolicy, type DirectoryConnection, type DirectoryEffect, type SwarmDirectory, type SwarmPeer, type SwarmRun } from './swarm-state.ts'

export function join(directory: SwarmDirectory, connection: DirectoryConnection, request: JoinRequest, iceServers: IceServers, now: number): DirectoryEffect[] {
  const admitted = admit(directory, connection, request)
  if (admitted.kind === 'refused') return [{ kind: 'answer', answer: admitted }]
  const { id, run, base, newest } = admitted
  const effects: DirectoryEffect[] = []
  const former = run.peers.get(id)
  if (connection.peer !== undefined) effects.push(...leave(directory, connection, now))
  if (former !== undefined && former.connection !== connection.id) {
    effects.push(...leave(directory, directory.connections.get(former.connection)!, now, new Set(request.linked)), { kind: 'close', connection: former.connection })
  }
  const peer: SwarmPeer = {
    id,
    run: run.description.run,
    connection: connection.id,
    links: new Set(),
    claimed: new Set(request.linked),
    lost: new Set(),
    announced: new Set([base.hash, newest.hash]),
    held: new Set(),
    wish: undefined,
    status: undefined
  }
  run.peers.set(peer.id, peer)
  connection.peer = peer
  const { renewIceServersAfterMs } = directory.options
  if (renewIceServersAfterMs !== undefined) directory.iceServersDueAt = Math.min(directory.iceServersDueAt, now + renewIceServersAfterMs)
  keepLinks(run, peer)
  const introductions = introduce(run, peer, directory.rng)
  const { memory, held = null } = request
  const layers = memory === undefined ? [] : stepLayers(run, { kind: 'peer_joined', peer: peer.id, memory, held }, now)
  effects.push({
    kind: 'answer',
    answer: { kind: 'welcome', description: run.description, base: announcement(base), newest: announcement(newest), iceServers }
  })
  if (run.trainer !== undefined) effects.push({ kind: 'tell', to: run.trainer, event: 'peer_joined', payload: { run: peer.run, peer: peer.id } })
  if (run.feed !== undefined) effects.push({ kind: 'tell', to: connection.id, event: 'run_feed', payload: run.feed })
  return [...effects, ...introductions, ...layers]
}

/** Both have to say so: of a link that only one of them takes for good, the other knows that it is not. */
function keepLinks(run: SwarmRun, peer: SwarmPeer): void {
  for (const other of run.peers.values()) {
    const claimed = [other.claimed.delete(peer.id), peer.claimed.delete(other.id)]
    if (!claimed.every(Boolean)) continue
    peer.links.add(other.id)
    other.links.add(peer.id)
  }
}

type Admission = { readonly kind: 'admitted'; readonly id: PeerId; readonly run: SwarmRun; readonly base: AnnouncedPolicy; readonly newest: AnnouncedPolicy } | Refusal

function admit(directory: SwarmDirectory, { identification }: DirectoryConnection, request: JoinRequest): Admission {
  if (directory.draining) return refuse('draining', 'the server is about to close')
  if (request.protocol !== PROTOCOL_VERSION) return refuse('unsupported_protocol', `this server speaks protocol ${PROTOCOL_VERSION}, the page ${request.protocol}: reload it`)
  const name = request.run ?? newestRun(directory)
  const run = name === undefined ? undefined : directory.runs.get(name)
  if (run === undefined) return refuse('unknown_run', name === undefined ? 'no run is open yet' : `run ${name} is not open here`)
  const base = run.policies.get(0)
  const newest = newestPolicy(run)
  if (base === undefined || newest === undefined || !isJoinable(run)) return refuse('no_trainer', `run ${name} has not published its model yet`)
  if (!isSignedJoin(request.signature, { ...identification, protocol: request.protocol, run: request.run }, request.publicKey)) {
    return refuse('bad_signature', `the join is not signed by its key for this connection to ${identification.server}`)
  }
  const id = peerIdOf(request.publicKey)
  if (run.peers.size >= LIMITS.peersPerRun && !run.peers.has(id)) return refuse('server_full')
  return { kind: 'admitted', id, run, base, newest }
}

/** To all at once, whenever each joined: nobody's are older than twice the interval. */
export function renewIceServers(directory: SwarmDirectory, now: number): DirectoryEffect[] {
  const { iceServersDueAt, options } = directory
  if (options.renewIceServersAfterMs === undefined || now < iceServersDueAt) return []
  const peers = [...directory.runs.values()].flatMap(run => [...run.peers.values()])
  directory.iceServersDueAt = peers.length === 0 ? Infinity : now + options.renewIceServersAfterMs
  return peers.map(({ connection, id }) => ({ kind: 'renew_ice_servers', to: connection, peer: id }))
}

/**
 * The connection stays: its page may join again, and sees the feed.
 * @param keeping peers whose links to it live on as far as is known: they are not told, and the link is kept for it when it comes back and says so too
 */
export function leave(directory: SwarmDirectory, connection: DirectoryConnection, now: number, keeping: Pick<ReadonlySet<PeerId>, 'has'> = new Set()): DirectoryEffect[] {
  const { peer } = connection
  if (peer === undefined) return []
  connection.peer = undefined
  const run = directory.runs.get(peer.run)!
  run.peers.delete(peer.id)
  returnGrants(run.grants, peer.id)
  const effects: DirectoryEffect[] = []
  const left: SwarmPeer[] = []
  for (const other of run.peers.values()) {
    other.lost.delete(peer.id)
    if (!other.links.delete(peer.id)) continue
    if (keeping.has(other.id)) {
      other.claimed.add(peer.id)
      continue
    }
    left.push(other)
    effects.push({ kind: 'tell', to: other.connection, event: 'peer_gone', payload: { peer: peer.id } })
  }
  // Who lost a neighbour by it gets another one.
  for (const other of left) effects.push(...introduce(run, other, directory.rng))
  if (run.trainer !== undefined) effects.push({ kind: 'tell', to: run.trainer, event: 'peer_left', payload: { run: peer.run, peer: peer.id } })
  return [...effects, ...stepLayers(run, { kind: 'peer_left', peer: peer.id }, now)]
}
