/** Between a trainer and the signaling server. A trainer proves itself by the server's trainer token in the handshake. */
import { contentHash, count, peerId, policyVersion, runId } from './identifiers.ts'
import { lease } from './lease.ts'
import { LIMITS } from './limits.ts'
import { publishedPolicy } from './manifest.ts'
import { peerStatus } from './peer-status.ts'
import { refusal } from './refusal.ts'
import { rolloutSubmission } from './rollout.ts'
import { runDescription } from './run-description.ts'
import { runFeed } from './run-feed.ts'
import { v } from './schema.ts'
import { bye, submissionAnswer } from './volunteer-messages.ts'

/**
 * Asked, trainer → server. Repeated after every reconnection; the server keeps no truth.
 * `newest` is the version that the trainer stands at and will publish after the base: what the server knows beyond it is lost.
 */
export const runOpened = v.strictObject({
  protocol: count,
  description: runDescription,
  newest: policyVersion,
  /** The text of the model's tokenizer.json, with which the server turns people's texts into tokens; null: it serves token ids only. */
  tokenizer: v.nullable(v.pipe(v.string(), v.maxLength(LIMITS.tokenizerBytes)))
})
export type RunOpened = v.InferOutput<typeof runOpened>
export const runOpenedAnswer = v.variant('kind', [v.strictObject({ kind: v.literal('run_open') }), refusal])

/** Asked before the chunks are sent: the answer names those that the origin lacks, of the ancestors too. Announced once all are there and it is asked again. */
export const policyPublished = publishedPolicy
export type PolicyPublished = v.InferOutput<typeof policyPublished>
export const policyPublishedAnswer = v.variant('kind', [
  v.strictObject({ kind: v.literal('announced') }),
  v.strictObject({ kind: v.literal('chunks_missing'), hashes: v.pipe(v.array(contentHash), v.maxLength(LIMITS.chunksPerManifest)) }),
  refusal
])
export type PolicyPublishedAnswer = v.InferOutput<typeof policyPublishedAnswer>

export const leaseGrant = v.strictObject({ peer: peerId, lease })
export type LeaseGrant = v.InferOutput<typeof leaseGrant>

const ofPeer = v.strictObject({ run: runId, peer: peerId })
export const peerJoined = ofPeer
export const peerLeft = ofPeer
export const peerWantsWork = v.strictObject({ ...ofPeer.entries, version: policyVersion, rollouts: v.pipe(count, v.maxValue(LIMITS.rolloutsPerLease)) })
export const peerReports = v.strictObject({ ...ofPeer.entries, status: peerStatus })
export const peerSubmits = v.strictObject({ peer: peerId, submission: rolloutSubmission })
export type PeerSubmits = v.InferOutput<typeof peerSubmits>

export const TRAINER_ASKS = { run_opened: runOpened, policy_published: policyPublished } as const
export const TRAINER_TELLS = { lease_granted: leaseGrant, run_feed: v.strictObject({ run: runId, feed: runFeed }) } as const
export const TRAINER_HEARS = {
  peer_joined: peerJoined,
  peer_left: peerLeft,
  work_wanted: peerWantsWork,
  peer_status: peerReports,
  /** Something that was told, not asked, was refused. */
  refused: refusal,
  /** The server closes now. Tabs can do nothing without a trainer: reconnect at once, open the run and publish again. */
  bye
} as const
/** Server → trainer, answered by the trainer with verdicts. */
export const TRAINER_ANSWERS = { rollouts_submitted: { request: peerSubmits, answer: submissionAnswer } } as const
