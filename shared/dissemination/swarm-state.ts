/** What the signaling server knows: who is in a run, who may link with whom, which versions are announced. It can forget all of it: trainers and tabs say it again. */
import type { DecoderConfig } from '../model/config.ts'
import type { Handshake } from '../protocol/handshake.ts'
import type { ContentHash, PeerId, PolicyVersion, RunId } from '../protocol/identifiers.ts'
import type { ChunkReference, PublishedPolicy } from '../protocol/manifest.ts'
import type { PeerStatus } from '../protocol/peer-status.ts'
import type { Refusal } from '../protocol/refusal.ts'
import type { RunDescription } from '../protocol/run-description.ts'
import type { RunFeed } from '../protocol/run-feed.ts'
import type { PeerSubmits, PolicyPublishedAnswer, runOpenedAnswer, TRAINER_HEARS } from '../protocol/trainer-messages.ts'
import type { v } from '../protocol/schema.ts'
import { createRng, type Rng } from '../random/rng.ts'
import type { SequenceEvent, ServingState } from '../serving/serving-state.ts'
import type { OriginGrants } from './origin-grants.ts'
import type { JoinTerms } from './peer-identity.ts'
import type { JoinAnswer, OriginGrant, PolicyAnnouncement, VOLUNTEER_HEARS, WorkWanted } from '../protocol/volunteer-messages.ts'

/** One socket. Chosen by the adapter. */
export type ConnectionId = string

type Hears = typeof VOLUNTEER_HEARS & typeof TRAINER_HEARS
type Tell = {
  [Event in keyof Hears]: { readonly kind: 'tell'; readonly to: ConnectionId; readonly event: Event; readonly payload: v.InferOutput<Hears[Event]> }
}[keyof Hears]

export type DirectoryAnswer = JoinAnswer | OriginGrant | PolicyPublishedAnswer | v.InferOutput<typeof runOpenedAnswer>

export type DirectoryEffect =
  | Tell
  /** To whoever sent the input: the acknowledgement of what was asked, or, of what was told, only the refusal. */
  | { readonly kind: 'answer'; readonly answer: DirectoryAnswer }
  | { readonly kind: 'refuse'; readonly refusal: Refusal }
  /** The trainer's answer to it is the answer to the sender. */
  | { readonly kind: 'forward_submission'; readonly to: ConnectionId; readonly request: PeerSubmits }
  /** The origin shall accept these for the run. */
  | { readonly kind: 'expect_chunks'; readonly run: RunId; readonly chunks: readonly ChunkReference[] }
  /** The origin shall keep these for the run, and nothing else. */
  | { readonly kind: 'retain_chunks'; readonly run: RunId; readonly chunks: readonly ChunkReference[] }
  /** The origin shall keep and accept nothing for the run any more. */
  | { readonly kind: 'forget_chunks'; readonly run: RunId }
  /** The peer's TURN credentials will end: tell it others. */
  | { readonly kind: 'renew_ice_servers'; readonly to: ConnectionId; readonly peer: PeerId }
  /** Of a request of the API. */
  | { readonly kind: 'sequence_event'; readonly run: RunId; readonly key: string; readonly event: SequenceEvent }
  /** Give the input `wake` then. Replaces the former wish. */
  | { readonly kind: 'wake_at'; readonly time: number }
  | { readonly kind: 'close'; readonly connection: ConnectionId }

/** What a join on one connection has to be signed for. */
export type Identification = Pick<JoinTerms, 'server' | 'challenge'>

export interface DirectoryConnection {
  readonly id: ConnectionId
  readonly role: Handshake['role']
  /** The run whose feed was asked for; undefined: the newest. */
  watching: RunId | undefined
  readonly identification: Identification
  peer: SwarmPeer | undefined
}

export interface SwarmPeer {
  readonly id: PeerId
  readonly run: RunId
  readonly connection: ConnectionId
  /** Peers it was introduced to and has not lost. Symmetric. */
  readonly links: Set<PeerId>
  /** Peers to whom it says that it still has a link, and who have not come back yet. */
  readonly claimed: Set<PeerId>
  /** Peers with whom a link was lost or never made. */
  readonly lost: Set<PeerId>
  /** Manifest hashes; the one announced last, which the peer takes for the newest, is the last. */
  readonly announced: Set<ContentHash>
  readonly held: Set<ContentHash>
  wish: WorkWanted | undefined
  status: PeerStatus | undefined
}

export interface AnnouncedPolicy extends PublishedPolicy {
  readonly hash: ContentHash
}

export interface RunLayers {
  readonly config: DecoderConfig
  readonly serving: ServingState
  /** When watchers were last shown the coverage, in milliseconds. */
  shownAt: number
  /** Nothing has changed since. */
  isShown: boolean
}

export interface SwarmRun {
  description: RunDescription
  /** Text of tokenizer.json; null: the run's trainer gave none. */
  tokenizer: string | null
  trainer: ConnectionId | undefined
  /** When the trainer left, in milliseconds; undefined while it is here. */
  abandonedAt: number | undefined
  /** The version at which a trainer opened the run, until it has published that one: it may have gone back to an older checkpoint. */
  opensAt: PolicyVersion | undefined
  readonly policies: Map<PolicyVersion, AnnouncedPolicy>
  readonly grants: OriginGrants
  /** In the order in which they joined. */
  readonly peers: Map<PeerId, SwarmPeer>
  feed: RunFeed | undefined
  /** Who holds which layers and serves whom; undefined for a model that tabs cannot compute. */
  readonly layers: RunLayers | undefined
  /** When it was opened here, in milliseconds. */
  readonly openedAt: number
}

export interface DirectoryOptions {
  /** Peers that have joined are given other ICE servers so often, in milliseconds; undefined: theirs stay good. */
  readonly renewIceServersAfterMs: number | undefined
  readonly originBytesPerRun: number
  /** A run whose trainer has been away for so long is forgotten, in milliseconds. */
  readonly forgetRunsAfterMs: number
  /** Names the first pipeline, and seeds what is chosen by chance. Another one after every start: tabs may remember names from before. */
  readonly firstPipeline: number
}

export interface SwarmDirectory {
  readonly options: DirectoryOptions
  readonly rng: Rng
  readonly connections: Map<ConnectionId, DirectoryConnection>
  /** In the order in which they were first opened. */
  readonly runs: Map<RunId, SwarmRun>
  /** Nobody may join any more. */
  draining: boolean
  /** When all peers are given other ICE servers next, in milliseconds; Infinity while nobody has any that end. */
  iceServersDueAt: number
  /** The last wish to be woken, in milliseconds. */
  wakeAt: number | undefined
}

export function createSwarmDirectory(options: DirectoryOptions): SwarmDirectory {
  return { options, rng: createRng(options.firstPipeline), connections: new Map(), runs: new Map(), draining: false, iceServersDueAt: Infinity, wakeAt: undefined }
}

export function announcement({ manifest, ancestors }: AnnouncedPolicy): PolicyAnnouncement {
  return { manifest, ...(ancestors !== undefined && { ancestors }) }
}

export function newestRun(directory: SwarmDirectory): RunId | undefined {
  return [...directory.runs.keys()].at(-1)
}

export function newestPolicy(run: SwarmRun): AnnouncedPolicy | undefined {
  return run.policies.get(Math.max(...run.policies.keys()))
}

/** Pages that see the run: those in it, those that asked for its feed, and, when it is the newest, those that asked for none. */
export function watchersOf(directory: SwarmDirectory, name: RunId): ConnectionId[] {
  const newest = newestRun(directory)
  return [...directory.connections.values()]
    .filter(({ role, peer, watching }) => role !== 'trainer' && (peer?.run ?? watching ?? newest) === name)
    .map(connection => connection.id)
}

/** The run as pages see it that have just come to watch it. */
export function showRun(run: SwarmRun, watchers: readonly ConnectionId[]): DirectoryEffect[] {
  const effects = describeRun(run, watchers)
  if (run.feed !== undefined) for (const to of watchers) effects.push({ kind: 'tell', to, event: 'run_feed', payload: run.feed })
  return effects
}

/** The base is here, and the version at which the trainer opened the run: tabs that hold that one shall not take an older one for the newest. */
export function isJoinable({ policies, opensAt }: SwarmRun): boolean {
  return policies.has(0) && (opensAt === undefined || policies.has(opensAt))
}

/** Once a page can say what it would cost to join, and join. */
export function describeRun(run: SwarmRun, watchers: readonly ConnectionId[]): DirectoryEffect[] {
  return isJoinable(run) ? watchers.map(to => ({ kind: 'tell', to, event: 'run_described', payload: run.description })) : []
}
