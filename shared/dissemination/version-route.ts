/** The ways to a version: whole, or from a version before it over the deltas since. */
import type { PolicyVersion } from '../protocol/identifiers.ts'
import type { ChunkReference, ManifestGroup, PublishedPolicy } from '../protocol/manifest.ts'
import { bytesOf, chunksOf } from './manifest.ts'
import type { PartOfManifest } from './slice-manifest.ts'

export interface VersionRoute {
  /** The version that is here and on which it begins; null: what it begins with has to be fetched. */
  readonly from: PolicyVersion | null
  /** Whole: here, or to be fetched. */
  readonly start: PartOfManifest
  /** Applied to it one after the other; the last one gives the version. Empty: the start is the version. */
  readonly steps: readonly PartOfManifest[]
  /** The version, with nothing but the chunks that have to be fetched. */
  readonly toFetch: PartOfManifest
}

/**
 * The way with the fewest bytes to fetch.
 * @param lineage the ancestors and the version, oldest first, of the same slice
 * @param held versions of the lineage whose chunks are here
 * @throws {Error} when it can be begun nowhere: `checkPolicy` lets no such lineage pass
 */
export function cheapestRoute(lineage: readonly PartOfManifest[], held: ReadonlySet<PolicyVersion>): VersionRoute {
  const version = lineage.at(-1)!
  let best: VersionRoute | undefined
  for (const [index, start] of lineage.entries()) {
    const isHeld = held.has(start.version)
    if (start.kind === 'delta' && !isHeld) continue
    const steps = lineage.slice(index + 1)
    const route = { from: isHeld ? start.version : null, start, steps, toFetch: { ...version, groups: [...(isHeld ? [] : start.groups), ...steps.flatMap(deltaGroups)] } }
    if (best === undefined || bytesToFetch(route) <= bytesToFetch(best)) best = route
  }
  if (best === undefined) throw new Error(`no way leads to version ${version.version}`)
  return best
}

function bytesToFetch({ toFetch }: VersionRoute): number {
  return bytesOf(chunksOf(toFetch))
}

/** Everything that the origin has of a version, so that whoever holds one of its ancestors, or none, comes to it. */
export function originChunks({ manifest, ancestors = [] }: PublishedPolicy): ChunkReference[] {
  // The first one's own delta leads from where nobody knows.
  const groups = [...ancestors, manifest].flatMap((member, index) => [...(member.kind === 'delta' ? [] : member.groups), ...(index === 0 ? [] : deltaGroups(member))])
  return chunksOf({ groups })
}

/** Everything that may be fetched for a version on any way, and what is made of it. */
export function lineageGroups(lineage: readonly Pick<PartOfManifest, 'groups'>[]): ManifestGroup[] {
  return lineage.flatMap(member => [...member.groups, ...deltaGroups(member)])
}

/** The groups' deltas in the place of their weights. */
export function deltaGroups({ groups }: Pick<PartOfManifest, 'groups'>): ManifestGroup[] {
  return groups.flatMap(({ delta, ...group }) => (delta === undefined ? [] : [{ ...group, chunks: delta }]))
}
