/**
 * How one tab gets chunks: from linked peers that were named as suppliers, several at once, and from the origin when they
 * do not deliver in time. Flow control is receiver credit: a supplier sends only what was asked for. A pure machine: the
 * driver carries out its effects and reports what became of them.
 */
import type { ContentHash, PeerId } from '../protocol/identifiers.ts'
import type { Piece } from '../protocol/link-frames.ts'
import type { ChunkReference } from '../protocol/manifest.ts'
import {
  addPiece,
  addRemainder,
  arrivedPrefix,
  askNextPiece,
  beginAssembly,
  forgetAsked,
  isWhole,
  markAsked,
  matchesItsHash,
  ORIGIN,
  type ChunkAssembly,
  type PieceRange,
  type Source
} from './chunk-assembly.ts'

export const FETCHER_DEFAULTS = {
  /** Pieces asked for and not yet arrived, per link: 128 KiB, inside the window that keeps rate-limited uplinks from collapsing. */
  credit: 8,
  /** A supplier that delivers nothing for so long has stalled. Also how long a link may take to come up. */
  stallMs: 1500,
  /** A chunk that is not there by then comes from the origin, however busy its suppliers are. */
  chunkDeadlineMs: 10_000,
  originRequests: 4,
  originRetryMs: 500,
  originRetryMaxMs: 8000,
  /** Bad chunks or pieces until a peer is banned. */
  strikes: 3,
  tickMs: 250
} as const
export type FetcherOptions = { readonly [Option in keyof typeof FETCHER_DEFAULTS]: number }

export type FetchInput =
  /** Asked again with other suppliers, a chunk keeps what has arrived. */
  | { readonly kind: 'chunks_wanted'; readonly chunks: readonly ChunkReference[]; readonly suppliers: readonly PeerId[] }
  | { readonly kind: 'chunks_unwanted'; readonly hashes: readonly ContentHash[] }
  | { readonly kind: 'link_up'; readonly peer: PeerId }
  | { readonly kind: 'link_down'; readonly peer: PeerId }
  | { readonly kind: 'piece_arrived'; readonly peer: PeerId; readonly piece: Piece }
  | { readonly kind: 'chunk_unavailable'; readonly peer: PeerId; readonly hash: ContentHash }
  /** All the bytes from the asked offset to the end of the chunk. */
  | { readonly kind: 'origin_answered'; readonly hash: ContentHash; readonly bytes: Uint8Array }
  | { readonly kind: 'origin_failed'; readonly hash: ContentHash }
  /** The origin was reached and does not have it, or not any more. */
  | { readonly kind: 'origin_lacks'; readonly hash: ContentHash }
  | { readonly kind: 'time_passed' }

export type FetchEffect =
  | ({ readonly kind: 'ask_piece'; readonly peer: PeerId; readonly hash: ContentHash } & PieceRange)
  /** To be answered by exactly one `origin_answered`, `origin_failed` or `origin_lacks`, within a time limit of the driver's. */
  | { readonly kind: 'ask_origin'; readonly hash: ContentHash; readonly offset: number }
  /** Neither the origin nor a linked supplier that answers has it. It is asked for again until it is not wanted any more. */
  | { readonly kind: 'chunk_missing'; readonly hash: ContentHash }
  /** The bytes match the hash. Emitted once per chunk wanted. */
  | { readonly kind: 'chunk_complete'; readonly hash: ContentHash; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'refuse_chunk'; readonly peer: PeerId; readonly hash: ContentHash; readonly code: 'malformed' | 'hash_mismatch' }
  /** Close the link; the peer is asked nothing any more. */
  | { readonly kind: 'ban_peer'; readonly peer: PeerId }
  /** Input `time_passed` is due then. */
  | { readonly kind: 'wake_at'; readonly at: number }

interface WantedChunk {
  readonly chunk: ChunkReference
  assembly: ChunkAssembly | undefined
  suppliers: readonly PeerId[]
  source: Source | undefined
  wantedAt: number
  originOnly: boolean
  originOffset: number
  originFailures: number
  originNotBefore: number
}

interface SupplyLink {
  /** By `hash/offset`. A stalled supplier's stay: they may still arrive, and until then use up its credit. */
  readonly outstanding: Map<string, PieceRange & { readonly hash: ContentHash }>
  lastProgress: number
  stalled: boolean
}

export interface ChunkFetcher {
  readonly options: FetcherOptions
  readonly wanted: Map<ContentHash, WantedChunk>
  readonly links: Map<PeerId, SupplyLink>
  readonly strikes: Map<PeerId, number>
  readonly banned: Set<PeerId>
  wakeAt: number | undefined
  /** Payload bytes received, useful or not; `discarded` is the part that was in vain. */
  readonly received: { fromOrigin: number; fromPeers: number; discarded: number }
}

export function createChunkFetcher(options: Partial<FetcherOptions> = {}): ChunkFetcher {
  return {
    options: { ...FETCHER_DEFAULTS, ...options },
    wanted: new Map(),
    links: new Map(),
    strikes: new Map(),
    banned: new Set(),
    wakeAt: undefined,
    received: { fromOrigin: 0, fromPeers: 0, discarded: 0 }
  }
}

/** @param now milliseconds on any clock that never goes back */
export function stepChunkFetcher(fetcher: ChunkFetcher, input: FetchInput, { now }: { readonly now: number }): FetchEffect[] {
  const effects: FetchEffect[] = []
  take(fetcher, input, now, effects)
  let originRequests = 0
  for (const { source } of fetcher.wanted.values()) if (source === ORIGIN) originRequests++
  for (const wanted of fetcher.wanted.values()) {
    if (wanted.source === undefined) {
      const source = assignSource(fetcher, wanted, originRequests >= fetcher.options.originRequests, now, effects)
      if (source === ORIGIN) originRequests++
    }
    askPieces(fetcher, wanted, now, effects)
  }
  if (fetcher.wanted.size > 0 && fetcher.wakeAt === undefined) {
    fetcher.wakeAt = now + fetcher.options.tickMs
    effects.push({ kind: 'wake_at', at: fetcher.wakeAt })
  }
  return effects
}

function take(fetcher: ChunkFetcher, input: FetchInput, now: number, effects: FetchEffect[]): void {
  switch (input.kind) {
    case 'chunks_wanted':
      for (const chunk of input.chunks) want(fetcher, chunk, input.suppliers, now)
      return
    case 'chunks_unwanted':
      for (const hash of input.hashes) fetcher.wanted.delete(hash)
      return
    case 'link_up':
      if (fetcher.banned.has(input.peer)) effects.push({ kind: 'ban_peer', peer: input.peer })
      else fetcher.links.set(input.peer, { outstanding: new Map(), lastProgress: now, stalled: false })
      return
    case 'link_down':
      dropLink(fetcher, input.peer)
      return
    case 'piece_arrived':
      takePiece(fetcher, input.peer, input.piece, now, effects)
      return
    case 'chunk_unavailable':
      takeUnavailable(fetcher, input.peer, input.hash)
      return
    case 'origin_answered':
      takeOriginAnswer(fetcher, input.hash, input.bytes, now, effects)
      return
    case 'origin_failed':
      retryOriginLater(fetcher, fetcher.wanted.get(input.hash), now)
      return
    case 'origin_lacks':
      retryOriginLater(fetcher, fetcher.wanted.get(input.hash), now)
      if (isMissing(fetcher, input.hash)) effects.push({ kind: 'chunk_missing', hash: input.hash })
      return
    case 'time_passed':
      fetcher.wakeAt = undefined
      moveStalled(fetcher, now)
  }
}

function want(fetcher: ChunkFetcher, chunk: ChunkReference, suppliers: readonly PeerId[], now: number): void {
  const known = fetcher.wanted.get(chunk.hash)
  if (known !== undefined) {
    known.suppliers = suppliers
    return
  }
  fetcher.wanted.set(chunk.hash, {
    chunk,
    assembly: undefined,
    suppliers,
    source: undefined,
    wantedAt: now,
    originOnly: false,
    originOffset: 0,
    originFailures: 0,
    originNotBefore: now
  })
}

function dropLink(fetcher: ChunkFetcher, peer: PeerId): void {
  fetcher.links.delete(peer)
  for (const wanted of fetcher.wanted.values()) if (wanted.source === peer) release(wanted)
}

function release(wanted: WantedChunk): void {
  wanted.source = undefined
  if (wanted.assembly !== undefined) forgetAsked(wanted.assembly)
}

/** The peer will send nothing of what was asked of this chunk. */
function takeUnavailable(fetcher: ChunkFetcher, peer: PeerId, hash: ContentHash): void {
  const link = fetcher.links.get(peer)
  if (link !== undefined) {
    for (const [key, asked] of link.outstanding) if (asked.hash === hash) link.outstanding.delete(key)
    if (link.outstanding.size === 0) link.stalled = false
  }
  withdraw(fetcher, peer, hash)
}

function withdraw(fetcher: ChunkFetcher, peer: PeerId, hash: ContentHash): void {
  const wanted = fetcher.wanted.get(hash)
  if (wanted === undefined) return
  wanted.suppliers = wanted.suppliers.filter(supplier => supplier !== peer)
  if (wanted.source === peer) release(wanted)
}

function takePiece(fetcher: ChunkFetcher, peer: PeerId, { hash, offset, payload }: Piece, now: number, effects: FetchEffect[]): void {
  const link = fetcher.links.get(peer)
  if (link === undefined) return
  fetcher.received.fromPeers += payload.byteLength
  const key = `${hash}/${offset}`
  const asked = link.outstanding.get(key)
  link.outstanding.delete(key)
  if (asked === undefined || asked.length !== payload.byteLength) {
    fetcher.received.discarded += payload.byteLength
    strike(fetcher, peer, hash, 'malformed', effects)
    return
  }
  link.lastProgress = now
  link.stalled = false
  const wanted = fetcher.wanted.get(hash)
  // A late piece of a chunk that the origin is sending is in vain: the origin's answer contains it.
  if (wanted?.assembly !== undefined && wanted.source !== ORIGIN && addPiece(wanted.assembly, offset, payload, peer)) finishIfWhole(fetcher, hash, now, effects)
  else fetcher.received.discarded += payload.byteLength
}

function takeOriginAnswer(fetcher: ChunkFetcher, hash: ContentHash, bytes: Uint8Array, now: number, effects: FetchEffect[]): void {
  fetcher.received.fromOrigin += bytes.byteLength
  const wanted = fetcher.wanted.get(hash)
  if (wanted === undefined || wanted.source !== ORIGIN || bytes.byteLength !== wanted.chunk.size - wanted.originOffset) {
    fetcher.received.discarded += bytes.byteLength
    retryOriginLater(fetcher, wanted, now)
    return
  }
  wanted.assembly ??= beginAssembly(wanted.chunk)
  addRemainder(wanted.assembly, wanted.originOffset, bytes)
  finishIfWhole(fetcher, hash, now, effects)
}

function retryOriginLater({ options }: ChunkFetcher, wanted: WantedChunk | undefined, now: number): void {
  if (wanted?.source !== ORIGIN) return
  wanted.originNotBefore = now + Math.min(options.originRetryMs * 2 ** wanted.originFailures, options.originRetryMaxMs)
  wanted.originFailures++
  wanted.originOnly = false
  wanted.wantedAt = now
  release(wanted)
}

function isMissing({ wanted, links }: ChunkFetcher, hash: ContentHash): boolean {
  return wanted.get(hash)?.suppliers.every(peer => links.get(peer)?.stalled !== false) === true
}

function finishIfWhole(fetcher: ChunkFetcher, hash: ContentHash, now: number, effects: FetchEffect[]): void {
  const wanted = fetcher.wanted.get(hash)
  if (wanted?.assembly === undefined || !isWhole(wanted.assembly)) return
  if (matchesItsHash(wanted.assembly)) {
    fetcher.wanted.delete(hash)
    effects.push({ kind: 'chunk_complete', hash, bytes: wanted.assembly.bytes })
    return
  }
  fetcher.received.discarded += wanted.chunk.size
  const [only, ...others] = wanted.assembly.contributors
  wanted.assembly = undefined
  if (only === ORIGIN && others.length === 0) {
    retryOriginLater(fetcher, wanted, now)
    return
  }
  wanted.source = undefined
  wanted.originOnly = true
  // Of several contributors nobody knows whose bytes were wrong, so nobody is blamed.
  if (only !== undefined && others.length === 0) strike(fetcher, only, hash, 'hash_mismatch', effects)
}

function strike(fetcher: ChunkFetcher, peer: PeerId, hash: ContentHash, code: 'malformed' | 'hash_mismatch', effects: FetchEffect[]): void {
  effects.push({ kind: 'refuse_chunk', peer, hash, code })
  withdraw(fetcher, peer, hash)
  const strikes = (fetcher.strikes.get(peer) ?? 0) + 1
  fetcher.strikes.set(peer, strikes)
  if (strikes < fetcher.options.strikes) return
  fetcher.banned.add(peer)
  dropLink(fetcher, peer)
  effects.push({ kind: 'ban_peer', peer })
}

function moveStalled({ options, links, wanted: chunks }: ChunkFetcher, now: number): void {
  for (const link of links.values()) if (link.outstanding.size > 0 && now - link.lastProgress >= options.stallMs) link.stalled = true
  for (const wanted of chunks.values()) {
    if (wanted.source === ORIGIN) continue
    const stalled = wanted.source !== undefined && links.get(wanted.source)?.stalled === true
    if (!stalled && now - wanted.wantedAt < options.chunkDeadlineMs) continue
    wanted.originOnly = true
    release(wanted)
  }
}

function assignSource(fetcher: ChunkFetcher, wanted: WantedChunk, originBusy: boolean, now: number, effects: FetchEffect[]): Source | undefined {
  const { links, banned, options } = fetcher
  if (!wanted.originOnly) {
    const candidates = wanted.suppliers.filter(peer => links.get(peer)?.stalled === false)
    const free = candidates.filter(peer => links.get(peer)!.outstanding.size < options.credit)
    if (free.length > 0) {
      const leastBusy = free.reduce((best, peer) => (links.get(peer)!.outstanding.size < links.get(best)!.outstanding.size ? peer : best))
      return assignPeer(wanted, leastBusy, links)
    }
    if (candidates.length > 0) return undefined
    const linkMayComeUp = wanted.suppliers.some(peer => !links.has(peer) && !banned.has(peer))
    if (linkMayComeUp && now - wanted.wantedAt < options.stallMs) return undefined
  }
  if (originBusy || now < wanted.originNotBefore) return undefined
  wanted.source = ORIGIN
  wanted.originOffset = wanted.assembly === undefined ? 0 : arrivedPrefix(wanted.assembly)
  effects.push({ kind: 'ask_origin', hash: wanted.chunk.hash, offset: wanted.originOffset })
  return ORIGIN
}

function assignPeer(wanted: WantedChunk, peer: PeerId, links: ChunkFetcher['links']): Source {
  wanted.source = peer
  wanted.assembly ??= beginAssembly(wanted.chunk)
  for (const { hash, offset } of links.get(peer)!.outstanding.values()) if (hash === wanted.chunk.hash) markAsked(wanted.assembly, offset)
  return peer
}

function askPieces({ links, options }: ChunkFetcher, { source, chunk, assembly }: WantedChunk, now: number, effects: FetchEffect[]): void {
  if (source === undefined || source === ORIGIN || assembly === undefined) return
  const { outstanding } = links.get(source)!
  while (outstanding.size < options.credit) {
    const range = askNextPiece(assembly)
    if (range === undefined) return
    if (outstanding.size === 0) links.get(source)!.lastProgress = now
    outstanding.set(`${chunk.hash}/${range.offset}`, { hash: chunk.hash, ...range })
    effects.push({ kind: 'ask_piece', peer: source, hash: chunk.hash, ...range })
  }
}
