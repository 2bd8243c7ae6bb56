/**
 * The signaling server's decisions, without its sockets: a machine whose inputs are the checked messages of trainers and
 * pages, and whose effects are messages to them and orders to the chunk origin. Every "asked" input has exactly one answer.
 */
import type { Handshake } from '../protocol/handshake.ts'
import type { PeerStatus } from '../protocol/peer-status.ts'
import { refuse, type RefusalCode } from '../protocol/refusal.ts'
import type { RolloutSubmission } from '../protocol/rollout.ts'
import type { ChunkReference, Manifest } from '../protocol/manifest.ts'
import type { RunFeed } from '../protocol/run-feed.ts'
import type { LeaseGrant, RunOpened } from '../protocol/trainer-messages.ts'
import type { JoinRequest, LinkLost, SignalSent, VersionHeld, WorkWanted } from '../protocol/volunteer-messages.ts'
import { forgetAbandonedRuns, wakeToForget } from './abandoned-runs.ts'
import { join, leave, loseLink, passSignal } from './swarm-membership.ts'
import { openRun, publishPolicy } from './swarm-publication.ts'
import { newestRun, showRun, watchersOf, type ConnectionId, type DirectoryConnection, type DirectoryEffect, type SwarmDirectory, type SwarmPeer, type SwarmRun } from './swarm-state.ts'

type ConnectionInput = { readonly connection: ConnectionId } & (
  | { readonly kind: 'connected'; readonly handshake: Handshake }
  | { readonly kind: 'disconnected' }
  // Pages.
  | { readonly kind: 'join'; readonly message: JoinRequest }
  | { readonly kind: 'leave' }
  | { readonly kind: 'version_held'; readonly message: VersionHeld }
  | { readonly kind: 'work_wanted'; readonly message: WorkWanted }
  | { readonly kind: 'signal'; readonly message: SignalSent }
  | { readonly kind: 'peer_status'; readonly message: PeerStatus }
  | { readonly kind: 'link_lost'; readonly message: LinkLost }
  | { readonly kind: 'rollouts_submitted'; readonly message: RolloutSubmission }
  // Trainers.
  | { readonly kind: 'run_opened'; readonly message: RunOpened }
  /** `missing`: what the origin lacks of the manifest's chunks. */
  | { readonly kind: 'policy_published'; readonly message: { readonly manifest: Manifest }; readonly missing: readonly ChunkReference[] }
  | { readonly kind: 'lease_granted'; readonly message: LeaseGrant }
  | { readonly kind: 'run_feed'; readonly message: { readonly run: string; readonly feed: RunFeed } }
)

export type DirectoryInput =
  | ConnectionInput
  /** Asked for by `wake_at`. */
  | { readonly kind: 'wake' }

/** @param now milliseconds on a clock that never goes back */
export function stepSwarmDirectory(directory: SwarmDirectory, input: DirectoryInput, { now }: { readonly now: number }): DirectoryEffect[] {
  if (input.kind === 'wake') return forgetAbandonedRuns(directory, now)
  if (input.kind === 'connected') return connect(directory, input.connection, input.handshake)
  const connection = directory.connections.get(input.connection)
  // What a replaced socket had still on its way.
  if (connection === undefined) return []
  switch (input.kind) {
    case 'disconnected':
      return disconnect(directory, connection, now)
    case 'join':
      return join(directory, connection, input.message)
    case 'leave':
      return leave(directory, connection)
    case 'version_held':
      return asPeer(directory, connection, input.message.run, (peer, run) => {
        const { version, manifestHash } = input.message
        if (run.policies.get(version)?.hash === manifestHash) peer.held.add(manifestHash)
        return []
      })
    case 'work_wanted':
      return asPeer(directory, connection, input.message.run, (peer, run) => {
        peer.wish = input.message
        return run.trainer === undefined ? [] : [{ kind: 'tell', to: run.trainer, event: 'work_wanted', payload: { ...input.message, peer: peer.id } }]
      })
    case 'peer_status':
      return asPeer(directory, connection, undefined, (peer, run) => {
        peer.status = input.message
        return run.trainer === undefined ? [] : [{ kind: 'tell', to: run.trainer, event: 'peer_status', payload: { run: peer.run, peer: peer.id, status: input.message } }]
      })
    case 'signal':
      return asPeer(directory, connection, undefined, (peer, run) => passSignal(run, peer, input.message))
    case 'link_lost':
      return asPeer(directory, connection, undefined, (peer, run) => loseLink(run, peer, input.message.peer))
    case 'rollouts_submitted':
      return submit(directory, connection, input.message)
    case 'run_opened':
      return openRun(directory, connection, input.message)
    case 'policy_published': {
      const { manifest } = input.message
      const run = runOf(directory, connection, manifest.run)
      return run === undefined ? [answerRefused('unknown_run', `open run ${manifest.run} first`)] : publishPolicy(directory, run, manifest, input.missing)
    }
    case 'lease_granted': {
      const { peer, lease } = input.message
      const receiver = runOf(directory, connection, lease.run)?.peers.get(peer)
      if (receiver === undefined) return [{ kind: 'refuse', refusal: refuse('unknown_peer', `lease ${lease.id}: peer ${peer} is not in run ${lease.run}`) }]
      return [{ kind: 'tell', to: receiver.connection, event: 'lease_granted', payload: lease }]
    }
    case 'run_feed':
      return showFeed(directory, connection, input.message.run, input.message.feed)
  }
}

function connect(directory: SwarmDirectory, id: ConnectionId, handshake: Handshake): DirectoryEffect[] {
  const watching = handshake.role === 'observer' ? handshake.run : undefined
  directory.connections.set(id, { id, role: handshake.role, watching, peer: undefined })
  const run = directory.runs.get(watching ?? newestRun(directory) ?? '')
  return run === undefined || handshake.role === 'trainer' ? [] : showRun(run, [id])
}

function disconnect(directory: SwarmDirectory, connection: DirectoryConnection, now: number): DirectoryEffect[] {
  const effects = leave(directory, connection)
  directory.connections.delete(connection.id)
  for (const run of directory.runs.values()) {
    if (run.trainer !== connection.id) continue
    run.trainer = undefined
    run.abandonedAt = now
    effects.push(...wakeToForget(directory))
  }
  return effects
}

function asPeer(
  { runs }: SwarmDirectory,
  { peer }: DirectoryConnection,
  run: string | undefined,
  act: (peer: SwarmPeer, run: SwarmRun) => DirectoryEffect[]
): DirectoryEffect[] {
  if (peer === undefined || (run ?? peer.run) !== peer.run) return [{ kind: 'refuse', refusal: refuse('not_joined') }]
  return act(peer, runs.get(peer.run)!)
}

function submit({ runs }: SwarmDirectory, { peer }: DirectoryConnection, submission: RolloutSubmission): DirectoryEffect[] {
  if (peer?.run !== submission.run) return [answerRefused('not_joined')]
  const { trainer } = runs.get(submission.run)!
  if (trainer === undefined) return [answerRefused('no_trainer')]
  return [{ kind: 'forward_submission', to: trainer, request: { peer: peer.id, submission } }]
}

function showFeed(directory: SwarmDirectory, connection: DirectoryConnection, name: string, feed: RunFeed): DirectoryEffect[] {
  const run = runOf(directory, connection, name)
  if (run === undefined) return [{ kind: 'refuse', refusal: refuse('unknown_run', `open run ${name} first`) }]
  run.feed = feed
  return watchersOf(directory, name).map(to => ({ kind: 'tell', to, event: 'run_feed', payload: feed }))
}

/** The run, if this connection is its trainer. */
function runOf({ runs }: SwarmDirectory, { id }: DirectoryConnection, name: string): SwarmRun | undefined {
  const run = runs.get(name)
  return run?.trainer === id ? run : undefined
}

function answerRefused(code: RefusalCode, detail?: string): DirectoryEffect {
  return { kind: 'answer', answer: refuse(code, detail) }
}
