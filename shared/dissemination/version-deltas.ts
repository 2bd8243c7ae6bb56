/** What turns one version into the next, group by group: cut by the trainer, applied and verified by tabs. */
import type { ContentHash } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { ManifestGroup } from '../protocol/manifest.ts'
import { refuse, type Refusal } from '../protocol/refusal.ts'
import { cutBytes, type CutPolicy } from './manifest.ts'
import { contiguous } from './tensor-groups.ts'
import { decodeDelta, encodeDelta } from './weight-delta.ts'

type Chunks = ReadonlyMap<ContentHash, Uint8Array<ArrayBuffer>>

export interface CutDeltas {
  /** The child's groups, with their deltas. */
  readonly groups: ManifestGroup[]
  /** The deltas alone. */
  readonly chunks: Chunks
}

/** @throws {Error} when the two are not of the same model: the trainer made both */
export function cutDeltas(parent: CutPolicy, child: CutPolicy): CutDeltas {
  const chunks = new Map<ContentHash, Uint8Array<ArrayBuffer>>()
  const groups = child.body.groups.map((group, index): ManifestGroup => {
    const from = parent.body.groups[index]
    if (from?.name !== group.name) throw new Error(`group ${group.name} has no parent in version ${parent.body.version}`)
    const delta = encodeDelta(groupContent(from, parent.chunks), groupContent(group, child.chunks))
    return { ...group, delta: cutBytes(delta, LIMITS.adapterChunkBytes, chunks) }
  })
  return { groups, chunks }
}

function groupContent({ chunks }: ManifestGroup, stored: Chunks): Uint8Array<ArrayBuffer> {
  return contiguous(chunks.map(({ hash }) => stored.get(hash)!))
}

/** SHA-256 by whatever is fastest where this runs. */
export type Digest = (bytes: Uint8Array<ArrayBuffer>) => Promise<ContentHash>

/**
 * Applies deltas to a group, and verifies what comes of it.
 * @param group of the version that the last delta leads to
 * @returns the group's chunks
 */
export async function rebuildGroup(group: ManifestGroup, start: Uint8Array<ArrayBuffer>, deltas: readonly Uint8Array<ArrayBuffer>[], digest: Digest): Promise<{ readonly kind: 'ok'; readonly chunks: Chunks } | Refusal> {
  let content = start
  for (const delta of deltas) {
    const decoded = decodeDelta(content, delta)
    if (decoded.kind === 'refused') return refuse(decoded.code, `group ${group.name}: ${decoded.detail}`)
    content = decoded.child
  }
  const chunks = new Map<ContentHash, Uint8Array<ArrayBuffer>>()
  let end = 0
  for (const { hash, size } of group.chunks) {
    const chunk = content.subarray(end, (end += size))
    if (chunk.byteLength !== size || (await digest(chunk)) !== hash) return leadsElsewhere(group)
    chunks.set(hash, chunk)
  }
  return end === content.byteLength ? { kind: 'ok', chunks } : leadsElsewhere(group)
}

function leadsElsewhere({ name }: ManifestGroup): Refusal {
  return refuse('hash_mismatch', `group ${name}: its deltas lead to other weights than the manifest says`)
}
