/** The assignment is the commitment: prompt, version, length limit and every random number are the trainer's choice. */
import { contentHash, count, leaseId, policyVersion, rolloutSeed, runId, tokenId } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { v } from './schema.ts'

export const leasedSample = v.strictObject({
  index: count,
  seed: rolloutSeed,
  /** Which action of the rollout this is, from 0. Absent: the first. */
  turn: v.optional(count),
  /** Tokens that earlier turns drew with the seed's random numbers: this turn's first token is drawn with the next one. Absent: none. */
  position: v.optional(count)
})
export type LeasedSample = v.InferOutput<typeof leasedSample>

/** Part of a group: what the policy has before it, and the samples that the holder shall generate after it. After the first turn each has its own. */
export const leasedPrompt = v.strictObject({
  prompt: count,
  /** The prompt; after the first turn with all actions and observations so far. */
  tokens: v.pipe(v.array(tokenId), v.minLength(1), v.maxLength(LIMITS.tokensPerRollout)),
  samples: v.pipe(v.array(leasedSample), v.minLength(1), v.maxLength(LIMITS.rolloutsPerLease))
})
export type LeasedPrompt = v.InferOutput<typeof leasedPrompt>

export const lease = v.strictObject({
  id: leaseId,
  run: runId,
  version: policyVersion,
  /** Hash of the manifest of `version`: proof, when echoed, that the holder had exactly these weights in mind. */
  manifestHash: contentHash,
  prompts: v.pipe(v.array(leasedPrompt), v.minLength(1), v.maxLength(LIMITS.promptsPerLease)),
  maxTokens: v.pipe(count, v.minValue(1), v.maxValue(LIMITS.tokensPerRollout)),
  /** Milliseconds from receipt after which the trainer may lease the rest to others. */
  durationMs: count
})
export type Lease = v.InferOutput<typeof lease>
