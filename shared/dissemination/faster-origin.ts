/** When the signaling server is asked for more from the origin because it is faster than all linked tabs together: part of the fetching machine. */
import type { ContentHash, PolicyVersion } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { Rng } from '../random/rng.ts'
import type { ChunkFetcher, WantedChunk } from './fetcher-state.ts'
import { countHolders } from './piece-asking.ts'
import { rateOf } from './source-rates.ts'

/** Whatever the linked tabs will have sent by then is not worth a chunk of the origin's. */
const WORTH_MS = 5_000
/** Of an origin that was not measured lately so many are taken, to see how fast they come. */
const PROBE_CHUNKS = 2
/** Of a faster one, as many as it gives in so long. */
const AHEAD_MS = 2_000

/** @returns what the origin shall be asked for beyond the tab's share, what the fewest neighbours have first */
export function chunksOfFasterOrigin(fetcher: ChunkFetcher, version: PolicyVersion, rng: Rng): readonly ContentHash[] {
  const { rates, links, wanted } = fetcher
  const origin = rateOf(rates, 'origin')
  const neighbours = rateOf(rates, 'neighbours')
  if (neighbours === undefined || (origin !== undefined && !rates.originIsFaster)) return []
  const missing = [...wanted.values()].filter(chunk => chunk.version === version)
  if (bytesOf(missing) <= neighbours * WORTH_MS) return []
  const free = missing.filter(({ source }) => source === undefined)
  const most = origin === undefined ? PROBE_CHUNKS : Math.ceil((origin * AHEAD_MS * missing.length) / bytesOf(missing))
  return free
    .map(({ chunk: { hash } }) => ({ hash, holders: countHolders(links, hash), tie: rng.float() }))
    .toSorted((left, right) => left.holders - right.holders || left.tie - right.tie)
    .slice(0, Math.min(most, LIMITS.chunksInGrantRequest))
    .map(({ hash }) => hash)
}

function bytesOf(chunks: readonly WantedChunk[]): number {
  return chunks.reduce((sum, { chunk }) => sum + chunk.size, 0)
}
