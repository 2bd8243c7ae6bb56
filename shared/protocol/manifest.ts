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

/** A group's bytes are its tensors in order, float32 little-endian, row-major, cut into chunks. */
export const manifestGroup = v.strictObject({
  /** `embed`, `layer.<i>`, `head` or `adapter.<i>`: a tab fetches the groups of its own slice. */
  name: v.pipe(v.string(), v.regex(/^(embed|head|(layer|adapter)\.\d+)$/)),
  tensors: v.pipe(v.array(manifestTensor), v.minLength(1), v.maxLength(LIMITS.tensorsPerGroup)),
  chunks: v.pipe(v.array(chunkReference), v.minLength(1), v.maxLength(LIMITS.chunksPerManifest))
})
export type ManifestGroup = v.InferOutput<typeof manifestGroup>

export const manifestBody = v.strictObject({
  run: runId,
  version: policyVersion,
  /** The version that this one is applied to: `lora` adapts it; `full` stands alone and has none. */
  parent: v.nullable(policyVersion),
  kind: v.picklist(['full', 'lora']),
  groups: v.pipe(v.array(manifestGroup), v.minLength(1), v.maxLength(LIMITS.groupsPerManifest))
})
export type ManifestBody = v.InferOutput<typeof manifestBody>

export const manifest = v.strictObject({
  ...manifestBody.entries,
  /** Ed25519 over the canonical form of the body, by the run's key; hexadecimal. */
  signature
})
export type Manifest = v.InferOutput<typeof manifest>
