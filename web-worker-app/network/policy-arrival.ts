import { bringVersion } from '#shared/dissemination/version-arrival.ts'
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import type { Refusal } from '#shared/protocol/refusal.ts'
import type { ChunkExchange } from '../mesh/chunk-exchange.ts'
import { sha256, type ChunkStore } from '../storage/chunk-store.ts'

export interface PolicyDestination {
  readonly exchange: Pick<ChunkExchange, 'fetchVersion'>
  readonly store: ChunkStore
  /** Asked before anything is fetched: a later call for the version, perhaps of another slice, must not be overtaken by this one. */
  readonly isWanted: () => boolean
}

/**
 * @param lineage the version's ancestors and itself, oldest first, of one slice
 * @returns `here` once the store has all chunks of the version
 */
export async function bringPolicy(lineage: readonly PartOfManifest[], { exchange, store, isWanted }: PolicyDestination): Promise<'here' | 'given_up' | Refusal> {
  const version = lineage.at(-1)!
  const fetch = (part: PartOfManifest, from: PolicyVersion | null): Promise<boolean> => (isWanted() ? exchange.fetchVersion(part, from) : Promise.resolve(false))
  const brought = await bringVersion(lineage, {
    digest: sha256,
    get: hash => store.get(hash),
    put: async (hash, bytes) => void (await store.put(hash, bytes, version, true)),
    fetch
  })
  if (brought !== 'here' || lineage.length === 1 || version.kind === 'delta') return brought
  // What was rebuilt, and others may fetch whole, is supplied from now on.
  return (await fetch(version, null)) ? 'here' : 'given_up'
}
