import { contentHash, count, finite, leaseId, policyVersion, rolloutId, rolloutSeed, runId, tokenId } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { v } from './schema.ts'

/** One sampled completion, as the tab claims it: a turn of a rollout, and where the task has one turn, all of it. */
export const rollout = v.strictObject({
  id: rolloutId,
  version: policyVersion,
  manifestHash: contentHash,
  prompt: count,
  index: count,
  seed: rolloutSeed,
  /** As leased. Absent: the first. */
  turn: v.optional(count),
  /** Completion of this turn only, the end-of-sequence token included when one was drawn. */
  tokens: v.pipe(v.array(tokenId), v.minLength(1), v.maxLength(LIMITS.tokensPerRollout)),
  /** The tab's own log-probabilities, in nats. Compared with the trusted prefill, never trained on. */
  logProbs: v.pipe(v.array(finite), v.minLength(1), v.maxLength(LIMITS.tokensPerRollout)),
  finish: v.picklist(['stop', 'length'])
})
export type Rollout = v.InferOutput<typeof rollout>

export const rolloutSubmission = v.strictObject({
  run: runId,
  lease: leaseId,
  rollouts: v.pipe(v.array(rollout), v.minLength(1), v.maxLength(LIMITS.rolloutsPerSubmission))
})
export type RolloutSubmission = v.InferOutput<typeof rolloutSubmission>

export const REJECTION_REASONS = [
  'malformed',
  'unknown_lease',
  'not_holder',
  'wrong_version',
  'wrong_manifest',
  'wrong_seed',
  'token_out_of_range',
  'bad_length',
  'not_terminated',
  'log_prob_mismatch',
  'sampling_mismatch'
] as const
export type RejectionReason = (typeof REJECTION_REASONS)[number]

/** What the trainer decided about one turn; `reward` is the rollout's so far. `stale` is nobody's fault; `rejected` counts against the peer. */
export const verdict = v.variant('outcome', [
  v.strictObject({ id: rolloutId, outcome: v.literal('accepted'), reward: finite }),
  v.strictObject({ id: rolloutId, outcome: v.literal('stale') }),
  v.strictObject({ id: rolloutId, outcome: v.literal('rejected'), reason: v.picklist(REJECTION_REASONS) })
])
export type Verdict = v.InferOutput<typeof verdict>
