import { v } from './schema.ts'

const shortText = (pattern: RegExp, what: string) => v.pipe(v.string(), v.maxLength(80), v.regex(pattern, what))

/** One training effort. Chosen by the trainer, unique on a server. */
export const runId = shortText(/^[a-z0-9][a-z0-9-]*$/, 'a run id: lower-case letters, digits and hyphens')
export type RunId = v.InferOutput<typeof runId>

/** An Ed25519 public key. */
export const publicKey = shortText(/^[0-9a-f]{64}$/, 'a public key: 64 hexadecimal digits')
/** An Ed25519 signature. */
export const signature = v.pipe(v.string(), v.regex(/^[0-9a-f]{128}$/, 'a signature: 128 hexadecimal digits'))

/** One page load of one tab. Follows from the public key that the tab made for it; 32 hexadecimal digits. */
export const peerId = shortText(/^[0-9a-f]{32}$/, 'a peer id: 32 hexadecimal digits')
export type PeerId = v.InferOutput<typeof peerId>

/** SHA-256, lower-case hexadecimal. Addresses a chunk; of a manifest's canonical form it names a policy version's exact content. */
export const contentHash = shortText(/^[0-9a-f]{64}$/, 'a SHA-256: 64 hexadecimal digits')
export type ContentHash = v.InferOutput<typeof contentHash>

/** A rollout's committed seed, from which every uniform of its tokens follows; 64 hexadecimal digits. */
export const rolloutSeed = shortText(/^[0-9a-f]{64}$/, 'a seed: 64 hexadecimal digits')
export type RolloutSeed = v.InferOutput<typeof rolloutSeed>

/** `<prompt>/<index>`: unique in a run, however often it is leased. */
export const rolloutId = shortText(/^\d+\/\d+$/, 'a rollout id: prompt/index')
export type RolloutId = v.InferOutput<typeof rolloutId>

export const leaseId = shortText(/^[a-z0-9-]+$/, 'a lease id')
export type LeaseId = v.InferOutput<typeof leaseId>

export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
export const finite = v.pipe(v.number(), v.finite())
/** 0 is the base model; the trainer's n-th learner step publishes n. */
export const policyVersion = count
export type PolicyVersion = v.InferOutput<typeof policyVersion>
export const tokenId = v.pipe(count, v.maxValue(1_048_575))
