/** What the fetching machine knows, and the changes that several of its parts make. */
import type { ContentHash, PeerId, PolicyVersion } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { ChunkReference } from '../protocol/manifest.ts'
import type { Rng } from '../random/rng.ts'
import { beginAssembly, forgetAsked, hasArrived, markAsked, type ChunkAssembly, type Source } from './chunk-assembly.ts'
import { createSourceRates, type SourceRates } from './source-rates.ts'
import { unassign, type SupplyLink } from './supply-links.ts'
import type { VersionGrants } from './version-grants.ts'

export const FETCHER_DEFAULTS = {
  pieceBytes: LIMITS.pieceBytes as number,
  /** A supplier that delivers nothing for so long has stalled. */
  stallMs: 800,
  /** At the same time: while there are others to get chunks from, the sooner one is whole the sooner it is passed on. */
  originRequests: 1,
  originRequestsAlone: 4,
  originRetryMs: 500,
  originRetryMaxMs: 8000,
  /** Without any progress for so long, the server is asked for chunks that somebody else was to take from the origin. */
  starvingMs: 1500,
  /** The same once, while nobody who is linked has any of them. */
  forsakenMs: 300,
  /** From so many bytes on it can be told how fast the origin is, or how fast the neighbours are. */
  enoughBytes: 512 * 1024,
  /** Where the origin gives nothing for being faster, it is asked again after so long. */
  fasterRetryMs: 5_000,
  /** Bad chunks or pieces until a peer is banned. */
  strikes: 3,
  tickMs: 200
} as const
/** A timer of this tab that is late by so much was not merely inaccurate. */
const DEAF_FROM_MS = 300

export type FetcherOptions = { readonly [Option in keyof typeof FETCHER_DEFAULTS]: number }

export interface WantedChunk {
  readonly chunk: ChunkReference
  version: PolicyVersion
  assembly: ChunkAssembly | undefined
  source: Source | undefined
  /** Bytes of several sources were wrong together: from now on it is taken from one alone, so that it can be told whose are. */
  unmixed: boolean
  originOffset: number
  originFailures: number
  originNotBefore: number
}

export interface ChunkFetcher {
  readonly options: FetcherOptions
  readonly wanted: Map<ContentHash, WantedChunk>
  readonly versions: Map<PolicyVersion, VersionGrants>
  readonly links: Map<PeerId, SupplyLink>
  /** Wanted chunks that may be asked of the origin, in this order. */
  readonly forOrigin: Set<ContentHash>
  /** Chunks that the origin is sending. */
  readonly fromOrigin: Set<ContentHash>
  readonly rates: SourceRates
  readonly strikes: Map<PeerId, number>
  readonly banned: Set<PeerId>
  /** When a byte that was of use came last, or the first chunk was wanted. */
  progressAt: number
  wakeAt: number | undefined
  /** Payload bytes received, useful or not; `discarded` is the part that was in vain. */
  readonly received: { fromOrigin: number; fromPeers: number; discarded: number }
}

export interface FetchContext {
  /** Milliseconds on any clock that never goes back. */
  readonly now: number
  readonly rng: Rng
}

export function createChunkFetcher(options: Partial<FetcherOptions> = {}): ChunkFetcher {
  const withDefaults = { ...FETCHER_DEFAULTS, ...options }
  return {
    options: withDefaults,
    wanted: new Map(),
    versions: new Map(),
    links: new Map(),
    forOrigin: new Set(),
    fromOrigin: new Set(),
    rates: createSourceRates(withDefaults.enoughBytes),
    strikes: new Map(),
    banned: new Set(),
    progressAt: 0,
    wakeAt: undefined,
    received: { fromOrigin: 0, fromPeers: 0, discarded: 0 }
  }
}

/** Its source will not send the rest. What has arrived stays, and who of the others has it sends what is missing. */
export function release(fetcher: ChunkFetcher, wanted: WantedChunk): void {
  const { hash } = wanted.chunk
  const link = fetcher.links.get(wanted.source ?? '')
  if (link !== undefined) unassign(link, hash)
  fetcher.fromOrigin.delete(hash)
  wanted.source = undefined
  if (wanted.assembly !== undefined) forgetAsked(wanted.assembly)
  if (wanted.unmixed) wanted.assembly = undefined
  // Of a transfer that broke off somebody waits for the rest: it is not left to chance who has it next.
  const brokeOff = wanted.assembly !== undefined && hasArrived(wanted.assembly) && !isOffered(fetcher, hash)
  if (brokeOff || isGranted(fetcher, wanted)) fetcher.forOrigin.add(hash)
  wakeLinks(fetcher)
}

function isGranted({ versions }: ChunkFetcher, { chunk: { hash }, version }: WantedChunk): boolean {
  return versions.get(version)?.granted.has(hash) === true
}

/** Somebody who answers says that it has it. */
export function isOffered({ links }: ChunkFetcher, hash: ContentHash): boolean {
  for (const link of links.values()) if (!link.stalled && link.held.has(hash)) return true
  return false
}

/** While this tab itself stood still it could hear nobody: what was sent meanwhile is yet to be read. */
export function forgiveDeafness(fetcher: ChunkFetcher, now: number): void {
  const deafMs = now - (fetcher.wakeAt ?? now)
  if (deafMs < DEAF_FROM_MS) return
  // It may have begun right after the time before.
  const forgiven = (at: number): number => Math.min(now, at + deafMs + fetcher.options.tickMs)
  fetcher.progressAt = forgiven(fetcher.progressAt)
  for (const link of fetcher.links.values()) link.lastProgress = forgiven(link.lastProgress)
}

/** Something may be asked of them again. */
export function wakeLinks({ links }: ChunkFetcher): void {
  for (const link of links.values()) link.idle = false
}

/** Begins or goes on with a chunk at a peer. What is still on its way from it is not asked again. */
export function assign(fetcher: ChunkFetcher, wanted: WantedChunk, link: SupplyLink): void {
  const { hash } = wanted.chunk
  wanted.source = link.peer
  link.assigned.push(hash)
  wanted.assembly ??= beginAssembly(wanted.chunk, fetcher.options.pieceBytes)
  for (const asked of link.outstanding.values()) if (asked.hash === hash) markAsked(wanted.assembly, asked.offset)
}
