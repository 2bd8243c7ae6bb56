/** Brings a version to where it is used: fetches what the cheapest way to it lacks, and applies and verifies deltas. */
import type { ContentHash, PolicyVersion } from '../protocol/identifiers.ts'
import type { ChunkReference } from '../protocol/manifest.ts'
import type { Refusal } from '../protocol/refusal.ts'
import { chunksOf } from './manifest.ts'
import type { PartOfManifest } from './slice-manifest.ts'
import { contiguous } from './tensor-groups.ts'
import { rebuildGroup, type Digest } from './version-deltas.ts'
import { cheapestRoute, deltaGroups, type VersionRoute } from './version-route.ts'

export interface VersionPorts {
  /** @returns undefined when the chunk is not here, or not any more */
  readonly get: (hash: ContentHash) => Promise<Uint8Array<ArrayBuffer> | undefined>
  readonly digest: Digest
  /** Of what was rebuilt and verified, for the version. */
  readonly put: (hash: ContentHash, bytes: Uint8Array<ArrayBuffer>) => Promise<void>
  /**
   * Brings chunks that are not here, and verified, to where `get` finds them.
   * @param from the version on whose chunks the way begins, which are here; null: what the way begins with is fetched, too
   * @returns false when the version was given up meanwhile
   */
  readonly fetch: (part: PartOfManifest, from: PolicyVersion | null) => Promise<boolean>
}

/**
 * @param lineage the version's ancestors and the version, oldest first
 * @returns `here` once `get` finds all chunks of the version; a refusal when its deltas lead elsewhere: the run's key has signed what is not so
 */
export async function bringVersion(lineage: readonly PartOfManifest[], ports: VersionPorts): Promise<'here' | 'given_up' | Refusal> {
  const version = lineage.at(-1)!
  for (;;) {
    // Whoever fetches finds out itself what of a single version is here.
    const route = cheapestRoute(lineage, lineage.length === 1 ? new Set() : await heldVersions(lineage, ports.get))
    if (!(await ports.fetch(route.toFetch, route.from))) return 'given_up'
    const rebuilt = await rebuild(version, route, ports)
    // What was here at first may have been thrown away meanwhile: it is fetched again.
    if (rebuilt !== undefined) return rebuilt
  }
}

/** The newest of the lineage that is here: older ones would only be a longer way. */
async function heldVersions(lineage: readonly PartOfManifest[], get: VersionPorts['get']): Promise<Set<PolicyVersion>> {
  for (const member of lineage.toReversed()) if (await isHeld(member, get)) return new Set([member.version])
  return new Set()
}

async function isHeld(member: PartOfManifest, get: VersionPorts['get']): Promise<boolean> {
  for (const { hash } of chunksOf(member)) if ((await get(hash)) === undefined) return false
  return true
}

/** @returns undefined when a chunk is not here */
async function rebuild(version: PartOfManifest, { start, steps }: VersionRoute, { get, put, digest }: VersionPorts): Promise<'here' | Refusal | undefined> {
  if (steps.length === 0) return 'here'
  const deltasOfSteps = steps.map(deltaGroups)
  for (const [index, group] of version.groups.entries()) {
    const read = async (chunks: readonly ChunkReference[]): Promise<Uint8Array<ArrayBuffer> | undefined> => {
      const found = await Promise.all(chunks.map(({ hash }) => get(hash)))
      const present = found.filter(bytes => bytes !== undefined)
      return present.length === found.length ? contiguous(present) : undefined
    }
    const content = await read(start.groups[index]!.chunks)
    const deltas: Uint8Array<ArrayBuffer>[] = []
    for (const groups of deltasOfSteps) {
      const delta = await read(groups[index]!.chunks)
      if (delta === undefined) return undefined
      deltas.push(delta)
    }
    if (content === undefined) return undefined
    const rebuilt = await rebuildGroup(group, content, deltas, digest)
    if (rebuilt.kind === 'refused') return rebuilt
    // A copy each: a store that keeps views would keep the whole group with every chunk.
    for (const [hash, bytes] of rebuilt.chunks) await put(hash, bytes.slice())
  }
  return 'here'
}
