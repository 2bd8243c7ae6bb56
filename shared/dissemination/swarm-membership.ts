/** Joining and leaving. */
import { sha256Hex } from '../crypto/sha256.ts'
import { encodeUtf8 } from '../model/utf8.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import { refuse, type Refusal } from '../protocol/refusal.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import type { JoinRequest, PolicyAnnouncement } from '../protocol/volunteer-messages.ts'
import { introduce } from './introductions.ts'
import { relayPlan } from './relay-plan.ts'
import { layersOf, stepLayers } from './swarm-layers.ts'
import { announcement, isJoinable, newestPolicy, newestRun, type AnnouncedPolicy, type DirectoryConnection, type DirectoryEffect, type SwarmDirectory, type SwarmPeer, type SwarmRun } from './swarm-state.ts'

export function join(directory: SwarmDirectory, connection: DirectoryConnection, request: JoinRequest, now: number): DirectoryEffect[] {
  const admitted = admit(directory, request)
  if (admitted.kind === 'refused') return [{ kind: 'answer', answer: admitted }]
  const { run, base, newest } = admitted
  const effects: DirectoryEffect[] = []
  const former = run.peers.get(request.peer)
  if (connection.peer !== undefined) effects.push(...leave(directory, connection, now))
  if (former !== undefined && former.connection !== connection.id) {
    effects.push(...leave(directory, directory.connections.get(former.connection)!, now), { kind: 'close', connection: former.connection })
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
  const { memory, held = null } = request
  // Before anything is announced: what it shall hold decides who can supply it.
  const layers = memory === undefined ? [] : stepLayers(run, { kind: 'peer_joined', peer: peer.id, memory, held }, now)
  const announce = (policy: AnnouncedPolicy): PolicyAnnouncement => announcement(policy, planRelay(run, policy).get(peer.id))
  effects.push({
    kind: 'answer',
    answer: { kind: 'welcome', description: run.description, base: announce(base), newest: announce(newest), iceServers: directory.options.iceServers }
  })
  if (run.trainer !== undefined) effects.push({ kind: 'tell', to: run.trainer, event: 'peer_joined', payload: { run: peer.run, peer: peer.id } })
  if (run.feed !== undefined) effects.push({ kind: 'tell', to: connection.id, event: 'run_feed', payload: run.feed })
  return [...effects, ...introductions, ...layers]
}

type Admission = { readonly kind: 'admitted'; readonly run: SwarmRun; readonly base: AnnouncedPolicy; readonly newest: AnnouncedPolicy } | Refusal

function admit(directory: SwarmDirectory, request: JoinRequest): Admission {
  if (request.protocol !== PROTOCOL_VERSION) return refuse('unsupported_protocol', `this server speaks protocol ${PROTOCOL_VERSION}, the page ${request.protocol}: reload it`)
  const name = request.run ?? newestRun(directory)
  const run = name === undefined ? undefined : directory.runs.get(name)
  if (run === undefined) return refuse('unknown_run', name === undefined ? 'no run is open yet' : `run ${name} is not open here`)
  const base = run.policies.get(0)
  const newest = newestPolicy(run)
  if (base === undefined || newest === undefined || !isJoinable(run)) return refuse('no_trainer', `run ${name} has not published its model yet`)
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
export function leave(directory: SwarmDirectory, connection: DirectoryConnection, now: number): DirectoryEffect[] {
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
  return [...effects, ...stepLayers(run, { kind: 'peer_left', peer: peer.id }, now)]
}

/** @returns suppliers of every peer that lacks the version */
export function planRelay(run: SwarmRun, policy: AnnouncedPolicy): Map<PeerId, PeerId[]> {
  return relayPlan([...run.peers.values()].map(({ id, links, held }) => ({ id, links, holds: held.has(policy.hash), layers: layersOf(run, id) })))
}
