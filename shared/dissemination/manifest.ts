/** Cuts a policy version into content-addressed chunks, signs what it consists of, and checks what others claim. */
import { sha256Hex } from '../crypto/sha256.ts'
import { sign, verifySignature, type SigningKey } from '../crypto/signature.ts'
import { encodeUtf8 } from '../model/utf8.ts'
import type { ContentHash, PolicyVersion, RunId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { ChunkReference, Manifest, ManifestBody, ManifestGroup, PublishedPolicy } from '../protocol/manifest.ts'
import { refuse, type Refusal } from '../protocol/refusal.ts'
import type { RunDescription } from '../protocol/run-description.ts'
import { concatenateTensors, groupBytes, type NamedTensors } from './tensor-groups.ts'

export interface PolicyContent {
  readonly run: RunId
  readonly version: PolicyVersion
  readonly parent: PolicyVersion | null
  readonly kind: Exclude<ManifestBody['kind'], 'delta'>
  readonly groups: readonly NamedTensors[]
}

export interface CutPolicy {
  readonly body: ManifestBody
  /** What the origin and the tabs serve, by hash. */
  readonly chunks: ReadonlyMap<ContentHash, Uint8Array<ArrayBuffer>>
}

/** The tensors are copied: the caller may go on changing them. */
export function cutPolicy(content: PolicyContent): CutPolicy {
  const chunks = new Map<ContentHash, Uint8Array<ArrayBuffer>>()
  const groups = content.groups.map(({ name, tensors }): ManifestGroup => {
    const references = cutBytes(concatenateTensors(tensors), content.kind === 'lora' ? LIMITS.adapterChunkBytes : LIMITS.chunkBytes, chunks)
    return { name, tensors: [...tensors].map(([tensorName, { shape }]) => ({ name: tensorName, shape: [...shape] })), chunks: references }
  })
  return { body: { run: content.run, version: content.version, parent: content.parent, kind: content.kind, groups }, chunks }
}

/** @param chunks is given the pieces, which are views of `bytes` */
export function cutBytes(bytes: Uint8Array<ArrayBuffer>, size: number, chunks: Map<ContentHash, Uint8Array<ArrayBuffer>>): ChunkReference[] {
  const references: ChunkReference[] = []
  for (let offset = 0; offset < bytes.byteLength; offset += size) {
    const piece = bytes.subarray(offset, offset + size)
    const hash = sha256Hex(piece)
    chunks.set(hash, piece)
    references.push({ hash, size: piece.byteLength })
  }
  return references
}

export function signManifest(body: ManifestBody, key: SigningKey): Manifest {
  return { ...body, signature: sign(canonicalForm(body), key) }
}

/** SHA-256 of the canonical form: names exactly these weights. Neither a signature nor deltas change it: the same weights may come in several ways. */
export function manifestHash(manifest: ManifestBody): ContentHash {
  if (manifest.kind === 'lora') return sha256Hex(canonicalForm(manifest))
  return sha256Hex(canonicalForm({ ...manifest, kind: 'full', parent: null, groups: manifest.groups.map(({ name, tensors, chunks }) => ({ name, tensors, chunks })) }))
}

/** What is hashed and signed: JSON without blanks, keys in a fixed order, no signature. */
function canonicalForm({ run, version, parent, kind, groups }: ManifestBody): Uint8Array {
  const ordered = {
    run,
    version,
    parent,
    kind,
    groups: groups.map(group => ({
      name: group.name,
      tensors: group.tensors.map(({ name, shape }) => ({ name, shape })),
      chunks: group.chunks.map(({ hash, size }) => ({ hash, size })),
      ...(group.delta !== undefined && { delta: group.delta.map(({ hash, size }) => ({ hash, size })) })
    }))
  }
  return encodeUtf8(JSON.stringify(ordered))
}

/** The weights' chunks, every one once, in the order of the manifest. */
export function chunksOf({ groups }: Pick<ManifestBody, 'groups'>): ChunkReference[] {
  const byHash = new Map<ContentHash, ChunkReference>()
  for (const group of groups) for (const chunk of group.chunks) byHash.set(chunk.hash, chunk)
  return [...byHash.values()]
}

/** The terms of the run that a manifest claims to belong to. */
export type ManifestTerms = Pick<RunDescription, 'publicKey' | 'versionBytes'>

/**
 * Whether a version that satisfies the schema may be acted on, and all that its deltas lead back to.
 * @param newestSeen versions only grow: an older one is a replay. undefined when none was seen, or when an old one was asked for
 */
export function checkPolicy({ manifest, ancestors = [] }: PublishedPolicy, terms: ManifestTerms, newestSeen: PolicyVersion | undefined): { readonly kind: 'ok' } | Refusal {
  const lineage = [...ancestors, manifest]
  for (const member of lineage) {
    const checked = checkManifest(member, terms, member === manifest ? newestSeen : undefined)
    if (checked.kind === 'refused') return checked
  }
  const fault = findLineageFault(lineage)
  return fault === undefined ? { kind: 'ok' } : refuse('malformed', `manifest of version ${manifest.version}: ${fault}`)
}

/** As `checkPolicy`, of one manifest. */
export function checkManifest(manifest: Manifest, { publicKey, versionBytes }: ManifestTerms, newestSeen: PolicyVersion | undefined): { readonly kind: 'ok' } | Refusal {
  const fault = findFault(manifest)
  if (fault !== undefined) return refuse('malformed', `manifest of version ${manifest.version}: ${fault}`)
  const bytes = manifest.groups.reduce((total, group) => total + groupBytes(group), 0)
  const deltaBytes = bytesOf(manifest.groups.flatMap(({ delta = [] }) => delta))
  // What is larger than all weights is no delta that anybody should fetch.
  if (bytes > versionBytes || deltaBytes > bytes) return refuse('too_large', `version ${manifest.version} has ${Math.max(bytes, deltaBytes)} bytes, more than ${Math.min(bytes, versionBytes)}`)
  if (!verifySignature(manifest.signature, canonicalForm(manifest), publicKey)) {
    return refuse('bad_signature', `manifest of version ${manifest.version} is not signed by the run's key`)
  }
  if (newestSeen !== undefined && manifest.version < newestSeen) {
    return refuse('stale_version', `version ${manifest.version} after version ${newestSeen}`)
  }
  return { kind: 'ok' }
}

function findFault(manifest: ManifestBody): string | undefined {
  const { kind, parent, version, groups } = manifest
  if (kind === 'lora' && parent === null) return 'an adapter has an older version as its parent'
  if (kind === 'delta' && parent === null) return 'a delta has an older version as its parent'
  if (parent !== null && parent >= version) return `version ${parent} is no older version that could be its parent`
  const hasDeltas = kind !== 'lora' && parent !== null
  if (groups.reduce((total, { chunks, delta = [] }) => total + chunks.length + delta.length, 0) > LIMITS.chunksPerManifest) return `more than ${LIMITS.chunksPerManifest} chunks`
  const groupNames = new Set<string>()
  const tensorNames = new Set<string>()
  const sizes = new Map<ContentHash, number>()
  for (const group of groups) {
    if (groupNames.has(group.name)) return `group ${group.name} twice`
    groupNames.add(group.name)
    if (group.name.startsWith('adapter.') !== (kind === 'lora')) return `group ${group.name} in a ${kind} version`
    for (const { name } of group.tensors) {
      if (tensorNames.has(name)) return `tensor ${name} twice`
      tensorNames.add(name)
    }
    if ((group.delta !== undefined) !== hasDeltas) return `group ${group.name} ${hasDeltas ? 'without' : 'with'} a delta in a ${kind} version ${parent === null ? 'without' : 'with'} a parent`
    for (const [references, most] of [[group.chunks, kind === 'lora' ? LIMITS.adapterChunkBytes : LIMITS.chunkBytes], [group.delta ?? [], LIMITS.adapterChunkBytes]] as const) {
      for (const { hash, size } of references) {
        if ((sizes.get(hash) ?? size) !== size) return `chunk ${hash} with two sizes`
        sizes.set(hash, size)
        if (size > most) return `group ${group.name} has a chunk of ${size} bytes, more than ${most}`
      }
    }
    const carried = bytesOf(group.chunks)
    if (carried !== groupBytes(group)) return `group ${group.name} has chunks of ${carried} bytes for tensors of ${groupBytes(group)}`
  }
  return undefined
}

/** @param lineage oldest first */
function findLineageFault(lineage: readonly Manifest[]): string | undefined {
  const newest = lineage.at(-1)!
  for (const [index, { version, parent, kind }] of lineage.entries()) {
    const before = lineage[index - 1]
    if (kind === 'lora') {
      if (lineage.length > 1) return 'an adapter among versions and their deltas'
    } else if (before !== undefined && parent !== before.version) return `version ${before.version} came as the parent of version ${version}, which has ${parent ?? 'none'}`
  }
  if (newest.kind === 'lora') return undefined
  if (lineage.length === 1 && newest.parent !== null) return `it came without its parent, version ${newest.parent}`
  if (lineage.every(({ kind }) => kind === 'delta')) return `it leads back to version ${lineage[0]!.version}, which cannot be had whole`
  const tensorsOf = ({ groups }: Manifest): string => JSON.stringify(groups.map(({ name, tensors }) => [name, tensors.map(tensor => [tensor.name, tensor.shape])]))
  const unlike = lineage.find(member => tensorsOf(member) !== tensorsOf(newest))
  return unlike === undefined ? undefined : `its tensors are not those of version ${unlike.version}`
}

export function bytesOf(chunks: readonly ChunkReference[]): number {
  return chunks.reduce((total, { size }) => total + size, 0)
}
