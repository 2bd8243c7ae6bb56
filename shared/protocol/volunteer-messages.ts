/**
 * Between a page and the signaling server. Every event has one object as payload; those under "asked" are answered by an
 * acknowledgement, the answer or a refusal. Page: role `volunteer` (works) or `observer` (only watches the feed).
 */
import { contentHash, count, peerId, policyVersion, publicKey, runId, signature } from './identifiers.ts'
import { layerCoverage } from './layer-coverage.ts'
import { lease } from './lease.ts'
import { LIMITS } from './limits.ts'
import { publishedPolicy } from './manifest.ts'
import { peerStatus } from './peer-status.ts'
import { refusal } from './refusal.ts'
import { rolloutSubmission, verdict } from './rollout.ts'
import { runDescription } from './run-description.ts'
import { runFeed } from './run-feed.ts'
import { v } from './schema.ts'
import { layerRange, memoryOffer, STAGE_HEARS, STAGE_TELLS } from './stage-messages.ts'

/** Opaque to the server: simple-peer's offer, answer or candidate as JSON text. */
const signalData = v.pipe(v.string(), v.maxLength(LIMITS.signalBytes))

export const policyAnnouncement = publishedPolicy
export type PolicyAnnouncement = v.InferOutput<typeof policyAnnouncement>

/** For links; what is in TURN credentials ends by itself. One address each. */
export const iceServers = v.pipe(
  v.array(v.strictObject({ urls: v.string(), username: v.optional(v.string()), credential: v.optional(v.string()) })),
  v.maxLength(LIMITS.iceServers)
)
export type IceServers = v.InferOutput<typeof iceServers>

export const welcome = v.strictObject({
  kind: v.literal('welcome'),
  description: runDescription,
  /** Base model and newest version (the same one while no update has been published). */
  base: policyAnnouncement,
  newest: policyAnnouncement,
  iceServers
})
export type Welcome = v.InferOutput<typeof welcome>

/** Asked, page → server. */
export const joinRequest = v.strictObject({
  protocol: count,
  /** Absent: the server's only, or newest, run. */
  run: v.optional(runId),
  /** Ed25519, of this page load. The peer's id follows from it (`shared/dissemination/peer-identity.ts`). */
  publicKey,
  /** By that key, over the challenge of this connection. */
  signature,
  /** Absent: it takes no layers. */
  memory: v.optional(memoryOffer),
  /** The layers that it still has loaded, after a server or its connection came back. */
  held: v.optional(layerRange),
  /** Peers to whom it still has a link: where they say so too, the link stays as it is. */
  linked: v.optional(v.pipe(v.array(peerId), v.maxLength(LIMITS.linksPerPeer)))
})
export type JoinRequest = v.InferOutput<typeof joinRequest>
export const joinAnswer = v.variant('kind', [welcome, refusal])
export type JoinAnswer = v.InferOutput<typeof joinAnswer>

export const submissionAnswer = v.variant('kind', [
  v.strictObject({ kind: v.literal('verdicts'), verdicts: v.pipe(v.array(verdict), v.maxLength(LIMITS.rolloutsPerSubmission)) }),
  refusal
])
export type SubmissionAnswer = v.InferOutput<typeof submissionAnswer>

/**
 * Asked, page → server, before chunks are taken from the origin. `share`: of what nobody takes yet. `starving`: nobody who is linked
 * has anything that is missing. `alone`: nobody is linked. `faster`: of something large, the origin was measured to give bytes faster than
 * all who are linked do together, or it is to be measured whether it does. `from`: the ancestor that is here, on which the way to the
 * version begins. `chunks`: nothing else is of use; absent: all of the way is.
 */
export const GRANT_NEEDS = ['share', 'starving', 'alone', 'faster'] as const
export type GrantNeed = (typeof GRANT_NEEDS)[number]
export const originWanted = v.strictObject({
  version: policyVersion,
  manifestHash: contentHash,
  need: v.picklist(GRANT_NEEDS),
  from: v.nullable(policyVersion),
  chunks: v.optional(v.pipe(v.array(contentHash), v.minLength(1), v.maxLength(LIMITS.chunksInGrantRequest)))
})
export type OriginWanted = v.InferOutput<typeof originWanted>
/** As the one who fetches asks, who need not know the version's name. */
export type OriginAsk = Omit<OriginWanted, 'manifestHash'>
export const originGrant = v.variant('kind', [
  /** Places in the list of what the origin has of the version, its ancestors' deltas included: each chunk is named once. */
  v.strictObject({ kind: v.literal('origin_granted'), chunks: v.pipe(v.array(v.pipe(count, v.maxValue(LIMITS.chunksPerPolicy - 1))), v.maxLength(LIMITS.chunksPerPolicy)) }),
  refusal
])
export type OriginGrant = v.InferOutput<typeof originGrant>

/** Told, page → server. */
export const versionHeld = v.strictObject({ run: runId, version: policyVersion, manifestHash: contentHash })
export type VersionHeld = v.InferOutput<typeof versionHeld>
/** Level, not edge: replaces the peer's former wish. `rollouts: 0` takes it back. */
export const workWanted = v.strictObject({ run: runId, version: policyVersion, rollouts: v.pipe(count, v.maxValue(LIMITS.rolloutsPerLease)) })
export type WorkWanted = v.InferOutput<typeof workWanted>
export const signalSent = v.strictObject({ to: peerId, data: signalData })
export type SignalSent = v.InferOutput<typeof signalSent>

/** A link that could not be made or was lost: somebody else is introduced in its place. */
export const linkLost = v.strictObject({ peer: peerId })
export type LinkLost = v.InferOutput<typeof linkLost>

/** Told, server → page: what a join on this connection has to sign. */
export const challenge = v.strictObject({ challenge: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) })
export const signalReceived = v.strictObject({ from: peerId, data: signalData })
export type SignalReceived = v.InferOutput<typeof signalReceived>
/** Asks for a link; exactly one side is the initiator. */
export const introduction = v.strictObject({ peer: peerId, initiator: v.boolean() })
export type Introduction = v.InferOutput<typeof introduction>

/** Everybody is told another time, so that not all come back in one moment. */
export const bye = v.strictObject({ retryAfterMs: v.pipe(count, v.maxValue(600_000)) })

export const VOLUNTEER_ASKS = { join: joinRequest, rollouts_submitted: rolloutSubmission, origin_wanted: originWanted } as const
export const VOLUNTEER_TELLS = { version_held: versionHeld, work_wanted: workWanted, signal: signalSent, peer_status: peerStatus, link_lost: linkLost, leave: v.strictObject({}), ...STAGE_TELLS } as const
export const VOLUNTEER_HEARS = {
  /** To pages that may join, once connected. */
  challenge,
  /** To every page, once connected and whenever a run opens: what it would cost to help is shown before anybody joins. */
  run_described: runDescription,
  policy_announced: policyAnnouncement,
  lease_granted: lease,
  introduction,
  /** Instead of those before, whose credentials will end soon: for links that are made from now on. */
  ice_servers: v.strictObject({ iceServers }),
  peer_gone: v.strictObject({ peer: peerId }),
  signal: signalReceived,
  ...STAGE_HEARS,
  run_feed: runFeed,
  /** To pages that watch. */
  layer_coverage: layerCoverage,
  /** Something that was told, not asked, was refused. */
  refused: refusal,
  /** The server closes now: connect again after this time, and join again. */
  bye
} as const
