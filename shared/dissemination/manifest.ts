/** Cuts a policy version into content-addressed chunks, signs what it consists of, and checks what others claim. */
import { sha256Hex } from '../crypto/sha256.ts'
import { sign, verifySignature, type SigningKey } from '../crypto/signature.ts'
import { encodeUtf8 } from '../model/utf8.ts'
import type { ContentHash, PolicyVersion, RunId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { ChunkReference, Manifest, ManifestBody, ManifestGroup } from '../protocol/manifest.ts'
import { refuse, type Refusal } from '../protocol/refusal.ts'
import { concatenateTensors, groupBytes, type NamedTensors } from './tensor-groups.ts'

export interface PolicyContent {
  readonly run: RunId
  readonly version: PolicyVersion
  readonly parent: PolicyVersion | null
  readonly kind: ManifestBody['kind']
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
    const references: ChunkReference[] = []
    for (const bytes of cut(concatenateTensors(tensors), chunkBytes(content.kind))) {
      const hash = sha256Hex(bytes)
      chunks.set(hash, bytes)
      references.push({ hash, size: bytes.byteLength })
    }
    return { name, tensors: [...tensors].map(([tensorName, { shape }]) => ({ name: tensorName, shape: [...shape] })), chunks: references }
  })
  return { body: { run: content.run, version: content.version, parent: content.parent, kind: content.kind, groups }, chunks }
}

function chunkBytes(kind: ManifestBody['kind']): number {
  return kind === 'lora' ? LIMITS.adapterChunkBytes : LIMITS.chunkBytes
}

function* cut(bytes: Uint8Array<ArrayBuffer>, size: number): Generator<Uint8Array<ArrayBuffer>> {
  for (let offset = 0; offset < bytes.byteLength; offset += size) yield bytes.subarray(offset, offset + size)
}

export function signManifest(body: ManifestBody, key: SigningKey): Manifest {
  return { ...body, signature: sign(canonicalForm(body), key) }
}

/** SHA-256 of the canonical form: names exactly these weights. A signature does not change it. */
export function manifestHash(manifest: ManifestBody): ContentHash {
  return sha256Hex(canonicalForm(manifest))
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
      chunks: group.chunks.map(({ hash, size }) => ({ hash, size }))
    }))
  }
  return encodeUtf8(JSON.stringify(ordered))
}

/** Every chunk once, in the order of the manifest. */
export function chunksOf(manifest: Pick<ManifestBody, 'groups'>): ChunkReference[] {
  const byHash = new Map<ContentHash, ChunkReference>()
  for (const group of manifest.groups) for (const chunk of group.chunks) byHash.set(chunk.hash, chunk)
  return [...byHash.values()]
}

/**
 * Whether a manifest that satisfies the schema may be acted on.
 * @param newestSeen versions only grow: an older one is a replay. undefined when none was seen, or when an old one was asked for
 */
export function checkManifest(manifest: Manifest, publicKey: string, newestSeen: PolicyVersion | undefined): { readonly kind: 'ok' } | Refusal {
  const fault = findFault(manifest)
  if (fault !== undefined) return refuse('malformed', `manifest of version ${manifest.version}: ${fault}`)
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
  if (kind === 'full' && parent !== null) return 'a full version has no parent'
  if (kind === 'lora' && (parent === null || parent >= version)) return 'an adapter has an older version as its parent'
  if (groups.reduce((total, group) => total + group.chunks.length, 0) > LIMITS.chunksPerManifest) return `more than ${LIMITS.chunksPerManifest} chunks`
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
    for (const { hash, size } of group.chunks) {
      if ((sizes.get(hash) ?? size) !== size) return `chunk ${hash} with two sizes`
      sizes.set(hash, size)
      if (size > chunkBytes(kind)) return `group ${group.name} has a chunk of ${size} bytes, more than ${chunkBytes(kind)}`
    }
    const carried = group.chunks.reduce((total, chunk) => total + chunk.size, 0)
    if (carried !== groupBytes(group)) return `group ${group.name} has chunks of ${carried} bytes for tensors of ${groupBytes(group)}`
  }
  return undefined
}
