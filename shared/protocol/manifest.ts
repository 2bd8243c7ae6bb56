/** What a policy version consists of. Building, hashing, signing and checking live in `shared/dissemination`. */
import { contentHash, count, policyVersion, runId, signature } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { v } from './schema.ts'

export const manifestTensor = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  shape: v.pipe(v.array(count), v.maxLength(4))
})
export type ManifestTensor = v.InferOutput<typeof manifestTensor>

export const chunkReference = v.strictObject({ hash: contentHash, size: v.pipe(count, v.minValue(1), v.maxValue(LIMITS.chunkBytes)) })
export type ChunkReference = v.InferOutput<typeof chunkReference>

const chunkList = v.pipe(v.array(chunkReference), v.minLength(1), v.maxLength(LIMITS.chunksPerManifest))

/** A group's bytes are its tensors in order, float32 little-endian, row-major, cut into chunks. */
export const manifestGroup = v.strictObject({
  /** `embed`, `layer.<i>`, `head` or `adapter.<i>`: a tab fetches the groups of its own slice. */
  name: v.pipe(v.string(), v.regex(/^(embed|head|(layer|adapter)\.\d+)$/)),
  tensors: v.pipe(v.array(manifestTensor), v.minLength(1), v.maxLength(LIMITS.tensorsPerGroup)),
  chunks: chunkList,
  /** The bytes that turn the parent's group into this one, `weight-delta.ts` in `shared/dissemination`. In all groups of a version or in none. */
  delta: v.optional(chunkList)
})
export type ManifestGroup = v.InferOutput<typeof manifestGroup>

export const manifestBody = v.strictObject({
  run: runId,
  version: policyVersion,
  /** The version that this one is applied to: `lora` adapts it; the deltas of the others change it. null: there are none. */
  parent: v.nullable(policyVersion),
  /** Which weights, and what the origin has of them: `full`: all chunks; `delta`: deltas only, the chunks are what they must lead to; `lora`: an adapter's. */
  kind: v.picklist(['full', 'delta', 'lora']),
  groups: v.pipe(v.array(manifestGroup), v.minLength(1), v.maxLength(LIMITS.groupsPerManifest))
})
export type ManifestBody = v.InferOutput<typeof manifestBody>

export const manifest = v.strictObject({
  ...manifestBody.entries,
  /** Ed25519 over the canonical form of the body, by the run's key; hexadecimal. */
  signature
})
export type Manifest = v.InferOutput<typeof manifest>

/** A version, and the versions to which its deltas lead back: the oldest first, each the parent of the next. None where it has no deltas. */
export const publishedPolicy = v.strictObject({
  manifest,
  ancestors: v.optional(v.pipe(v.array(manifest), v.minLength(1), v.maxLength(LIMITS.ancestorsPerPolicy)))
})
export type PublishedPolicy = v.InferOutput<typeof publishedPolicy>
