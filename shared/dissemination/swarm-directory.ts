/**
 * The signaling server's decisions, without its sockets: a machine whose inputs are the checked messages of trainers and
 * pages, and whose effects are messages to them and orders to the chunk origin. Every "asked" input has exactly one answer.
 */
import type { Handshake } from '../protocol/handshake.ts'
import type { RunId } from '../protocol/identifiers.ts'
import type { PeerStatus } from '../protocol/peer-status.ts'
import { refuse, type RefusalCode } from '../protocol/refusal.ts'
import type { RolloutSubmission } from '../protocol/rollout.ts'
import type { ChunkReference, PublishedPolicy } from '../protocol/manifest.ts'
import type { RunFeed } from '../protocol/run-feed.ts'
import type { v } from '../protocol/schema.ts'
import type { STAGE_TELLS } from '../protocol/stage-messages.ts'
import type { PersonsRequest, StageTold } from '../serving/serving-state.ts'
import type { LeaseGrant, RunOpened } from '../protocol/trainer-messages.ts'
import type { IceServers, JoinRequest, LinkLost, OriginWanted, SignalSent, VersionHeld, WorkWanted } from '../protocol/volunteer-messages.ts'
import { forgetAbandonedRuns, forgottenAt } from './abandoned-runs.ts'
import { loseLink, passSignal } from './introductions.ts'
import { settleGrants } from './origin-grants.ts'
import { answerOriginWanted } from './origin-serving.ts'
import { COVERAGE_INTERVAL_MS, coverageTells, passFragment, showCoverage, stepLayers } from './swarm-layers.ts'
import { join, leave, renewIceServers } from './swarm-membership.ts'
import { openRun, publishPolicy } from './swarm-publication.ts'
import { newestRun, showRun, watchersOf, type ConnectionId, type Identification, type DirectoryConnection, type DirectoryEffect, type SwarmDirectory, type SwarmPeer, type SwarmRun } from './swarm-state.ts'
import { originChunks } from './version-route.ts'

type ConnectionInput = { readonly connection: ConnectionId } & (
  | { readonly kind: 'connected'; readonly handshake: Handshake; readonly identification: Identification }
  | { readonly kind: 'disconnected' }
  /** Its server is gone, or lost touch with this one. The page may well live, and its links with it. */
  | { readonly kind: 'cut_off' }
  // Pages.
  /** `iceServers`: for the peer whose key it names, if it may join. */
  | { readonly kind: 'join'; readonly message: JoinRequest; readonly iceServers: IceServers }
  | { readonly kind: 'leave' }
  | { readonly kind: 'version_held'; readonly message: VersionHeld }
  | { readonly kind: 'work_wanted'; readonly message: WorkWanted }
  | { readonly kind: 'signal'; readonly message: SignalSent }
  | { readonly kind: 'peer_status'; readonly message: PeerStatus }
  | { readonly kind: 'link_lost'; readonly message: LinkLost }
  | { readonly kind: 'rollouts_submitted'; readonly message: RolloutSubmission }
  | { readonly kind: 'origin_wanted'; readonly message: OriginWanted }
  // Trainers.
  | { readonly kind: 'run_opened'; readonly message: RunOpened }
  /** `missing`: what the origin lacks of the version's `originChunks`. */
  | { readonly kind: 'policy_published'; readonly message: PublishedPolicy; readonly missing: readonly ChunkReference[] }
  | { readonly kind: 'lease_granted'; readonly message: LeaseGrant }
  | { readonly kind: 'run_feed'; readonly message: { readonly run: string; readonly feed: RunFeed } }
  | StageTells
)

type StageTells = { [Event in keyof typeof STAGE_TELLS]: { readonly kind: Event; readonly message: v.InferOutput<(typeof STAGE_TELLS)[Event]> } }[keyof typeof STAGE_TELLS]

export type DirectoryInput =
  | ConnectionInput
  /** Of people, through the API. Nothing is asked of a run without layers. */
  | { readonly kind: 'request_opened'; readonly run: RunId; readonly request: PersonsRequest }
  | { readonly kind: 'request_closed'; readonly run: RunId; readonly key: string }
  /** The server is about to close: who is here goes on until then. */
  | { readonly kind: 'drain' }
  /** Asked for by `wake_at`. */
  | { readonly kind: 'wake' }

/** @param now milliseconds on a clock that never goes back */
export function stepSwarmDirectory(directory: SwarmDirectory, input: DirectoryInput, { now }: { readonly now: number }): DirectoryEffect[] {
  const effects = [...take(directory, input, now), ...showCoverage(directory, now)]
  return [...effects, ...askForWakeUp(directory)]
}

function take(directory: SwarmDirectory, input: DirectoryInput, now: number): DirectoryEffect[] {
  if (input.kind === 'wake') return wake(directory, now)
  if (input.kind === 'drain') {
    directory.draining = true
    return []
  }
  if (input.kind === 'request_opened' || input.kind === 'request_closed') {
    const run = directory.runs.get(input.run)
    return run === undefined ? [] : stepLayers(run, input, now)
  }
  return hear(directory, input, now)
}

function hear(directory: SwarmDirectory, input: ConnectionInput, now: number): DirectoryEffect[] {
  if (input.kind === 'connected') return connect(directory, input, now)
  const connection = directory.connections.get(input.connection)
  // What a replaced socket had still on its way.
  if (connection === undefined) return []
  switch (input.kind) {
    case 'disconnected':
      return disconnect(directory, connection, leave(directory, connection, now), now)
    case 'cut_off':
      return disconnect(directory, connection, leave(directory, connection, now, EVERYBODY), now)
    case 'join':
      return join(directory, connection, input.message, input.iceServers, now)
    case 'leave':
      return leave(directory, connection, now)
    case 'version_held':
      return asPeer(directory, connection, input.message.run, (peer, run) => {
        const { version, manifestHash } = input.message
        if (run.policies.get(version)?.hash !== manifestHash) return []
        peer.held.add(manifestHash)
        settleGrants(run.grants, peer.id, originChunks(run.policies.get(version)!).map(({ hash }) => hash))
        return stepLayers(run, { kind: 'version_held', peer: peer.id, version }, now)
      })
    case 'version_dropped':
      return asPeer(directory, connection, undefined, (peer, run) => {
        const { version, manifestHash } = input.message
        peer.held.delete(manifestHash)
        return run.policies.get(version)?.hash === manifestHash ? stepLayers(run, { kind: 'version_dropped', peer: peer.id, version }, now) : []
      })
    case 'slice_ready':
    case 'profile':
    case 'heartbeat':
    case 'place_taken':
    case 'pipeline_broken':
    case 'sequences_generated':
      return asPeer(directory, connection, undefined, (peer, run) => stepLayers(run, { kind: input.kind, peer: peer.id, message: input.message } as StageTold, now))
    case 'stage_fragment':
      return asPeer(directory, connection, undefined, (peer, run) => passFragment(run, peer, input.message))
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
      return asPeer(directory, connection, undefined, (peer, run) => {
        const { peer: lost } = input.message
        // One that had to make way is not lost: the pair could be linked again.
        const wasLinked = peer.links.has(lost)
        return [...loseLink(run, peer, lost, directory.rng), ...(wasLinked ? stepLayers(run, { kind: 'link_lost', a: peer.id, b: lost }, now) : [])]
      })
    case 'origin_wanted': {
      const { peer } = connection
      return [peer === undefined ? answerRefused('not_joined') : { kind: 'answer', answer: answerOriginWanted(directory.runs.get(peer.run)!, peer, input.message, now) }]
    }
    case 'rollouts_submitted':
      return submit(directory, connection, input.message)
    case 'run_opened':
      return openRun(directory, connection, input.message, now)
    case 'policy_published': {
      const { run: name } = input.message.manifest
      const run = runOf(directory, connection, name)
      return run === undefined ? [answerRefused('unknown_run', `open run ${name} first`)] : publishPolicy(directory, run, input.message, input.missing, now)
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

/** Early wake-ups do no harm, so one that is not needed any more stays asked for. */
function askForWakeUp(directory: SwarmDirectory): DirectoryEffect[] {
  const times = [...directory.runs.values()].flatMap(run => {
    const { layers } = run
    return [forgottenAt(directory, run), ...(layers === undefined ? [] : [layers.serving.wakeAt ?? Infinity, layers.isShown ? Infinity : layers.shownAt + COVERAGE_INTERVAL_MS])]
  })
  const time = Math.min(directory.iceServersDueAt, ...times)
  if (time === Infinity || (directory.wakeAt !== undefined && directory.wakeAt <= time)) return []
  directory.wakeAt = time
  return [{ kind: 'wake_at', time }]
}

function wake(directory: SwarmDirectory, now: number): DirectoryEffect[] {
  directory.wakeAt = undefined
  const effects = [...forgetAbandonedRuns(directory, now), ...renewIceServers(directory, now)]
  for (const run of directory.runs.values()) {
    const { wakeAt } = run.layers?.serving ?? {}
    if (wakeAt !== undefined && wakeAt <= now) effects.push(...stepLayers(run, { kind: 'wake' }, now))
  }
  return effects
}

function connect(directory: SwarmDirectory, { connection: id, handshake, identification }: Extract<ConnectionInput, { kind: 'connected' }>, now: number): DirectoryEffect[] {
  const watching = handshake.role === 'observer' ? handshake.run : undefined
  directory.connections.set(id, { id, role: handshake.role, watching, identification, peer: undefined })
  const { challenge } = identification
  const challenged: DirectoryEffect[] = handshake.role === 'volunteer' ? [{ kind: 'tell', to: id, event: 'challenge', payload: { challenge } }] : []
  const run = directory.runs.get(watching ?? newestRun(directory) ?? '')
  if (run === undefined || handshake.role === 'trainer') return challenged
  return [...challenged, ...showRun(run, [id]), ...(handshake.role === 'observer' ? coverageTells(run, [id], now) : [])]
}

const EVERYBODY = { has: () => true }

function disconnect(directory: SwarmDirectory, connection: DirectoryConnection, effects: DirectoryEffect[], now: number): DirectoryEffect[] {
  directory.connections.delete(connection.id)
  for (const run of directory.runs.values()) {
    if (run.trainer !== connection.id) continue
    run.trainer = undefined
    run.abandonedAt = now
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
