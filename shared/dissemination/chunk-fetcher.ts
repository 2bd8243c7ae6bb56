/**
 * How one tab gets the chunks of a version: from every linked tab that says it has some, several at once, rarest first; and from
 * the origin those that the signaling server lets it take there, so that each chunk goes out about once, and whatever nobody has.
 * Flow control is receiver credit: a supplier sends only what was asked for. A pure machine: the driver carries out its effects
 * and reports what became of them.
 */
import type { ContentHash, PeerId, PolicyVersion } from '../protocol/identifiers.ts'
import type { Piece } from '../protocol/link-frames.ts'
import type { ChunkReference } from '../protocol/manifest.ts'
import { addPiece, addRemainder, arrivedPrefix, beginAssembly, isWhole, matchesItsHash, ORIGIN, type Source } from './chunk-assembly.ts'
import { forgiveDeafness, isOffered, release, wakeLinks, type ChunkFetcher, type FetchContext, type WantedChunk } from './fetcher-state.ts'
import { askPieces, type AskPiece } from './piece-asking.ts'
import { stalled } from './request-window.ts'
import { neighboursSent, originSent, passTime } from './source-rates.ts'
import { createSupplyLink, forgetOutstanding, noteArrived, takeHeld, unassign } from './supply-links.ts'
import { askGrants, beginGrants, forgetGrant, takeGrant, takeNoGrant, type AskGrant } from './version-grants.ts'

export type FetchInput =
  /** Wanted again, a chunk keeps what has arrived. `whole`: a version's whole weights, which are large; absent: an adapter, or what a step has changed. */
  | { readonly kind: 'chunks_wanted'; readonly version: PolicyVersion; readonly chunks: readonly ChunkReference[]; readonly whole?: boolean }
  | { readonly kind: 'chunks_unwanted'; readonly hashes: readonly ContentHash[] }
  | { readonly kind: 'link_up'; readonly peer: PeerId }
  | { readonly kind: 'link_down'; readonly peer: PeerId }
  /** What a linked tab says it has, in addition to what it said before. */
  | { readonly kind: 'chunks_held'; readonly peer: PeerId; readonly hashes: readonly ContentHash[] }
  | { readonly kind: 'chunks_dropped'; readonly peer: PeerId; readonly hashes: readonly ContentHash[] }
  | { readonly kind: 'piece_arrived'; readonly peer: PeerId; readonly piece: Piece }
  | { readonly kind: 'chunk_unavailable'; readonly peer: PeerId; readonly hash: ContentHash }
  /** Answers `ask_grant`. None: others take them, and will pass them on. */
  | { readonly kind: 'origin_granted'; readonly version: PolicyVersion; readonly hashes: readonly ContentHash[] }
  /** The server did not answer `ask_grant`, or does not know us. */
  | { readonly kind: 'grant_unanswered'; readonly version: PolicyVersion }
  /** All the bytes from the asked offset to the end of the chunk. */
  | { readonly kind: 'origin_answered'; readonly hash: ContentHash; readonly bytes: Uint8Array }
  | { readonly kind: 'origin_failed'; readonly hash: ContentHash }
  /** The origin was reached and does not have it, or not any more. */
  | { readonly kind: 'origin_lacks'; readonly hash: ContentHash }
  | { readonly kind: 'time_passed' }

export type FetchEffect =
  | AskPiece
  | AskGrant
  /** To be answered by exactly one `origin_answered`, `origin_failed` or `origin_lacks`, within a time limit of the driver's. */
  | { readonly kind: 'ask_origin'; readonly hash: ContentHash; readonly offset: number }
  /** Neither the origin nor a linked supplier that answers has it. It is asked for again until it is not wanted any more. */
  | { readonly kind: 'chunk_missing'; readonly hash: ContentHash }
  /** The bytes match the hash. Emitted once per chunk wanted. */
  | { readonly kind: 'chunk_complete'; readonly hash: ContentHash; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'refuse_chunk'; readonly peer: PeerId; readonly hash: ContentHash; readonly code: 'malformed' | 'too_large' | 'hash_mismatch' }
  /** What these sent together does not match the hash; nobody knows whose bytes are wrong, unless it was the origin alone. */
  | { readonly kind: 'suspect_sources'; readonly sources: readonly Source[]; readonly hash: ContentHash }
  /** It owes what it was asked for; others are asked from now on. */
  | { readonly kind: 'supplier_stalled'; readonly peer: PeerId }
  /** Close the link; the peer is asked nothing any more. */
  | { readonly kind: 'ban_peer'; readonly peer: PeerId }
  /** Input `time_passed` is due then. */
  | { readonly kind: 'wake_at'; readonly at: number }

export function stepChunkFetcher(fetcher: ChunkFetcher, input: FetchInput, context: FetchContext): FetchEffect[] {
  const effects: FetchEffect[] = []
  const { now } = context
  passTime(fetcher.rates, { origin: fetcher.fromOrigin.size > 0, neighbours: fetcher.wanted.size > 0 && fetcher.links.size > 0 }, now)
  take(fetcher, input, now, effects)
  effects.push(...askPieces(fetcher, context))
  askOrigin(fetcher, now, effects)
  effects.push(...askGrants(fetcher, context))
  if (fetcher.wanted.size > 0 && fetcher.wakeAt === undefined) {
    fetcher.wakeAt = now + fetcher.options.tickMs
    effects.push({ kind: 'wake_at', at: fetcher.wakeAt })
  }
  return effects
}

function take(fetcher: ChunkFetcher, input: FetchInput, now: number, effects: FetchEffect[]): void {
  const { wanted, links } = fetcher
  switch (input.kind) {
    case 'chunks_wanted':
      if (wanted.size === 0) fetcher.progressAt = now
      for (const chunk of input.chunks) want(fetcher, chunk, input.version, now)
      if (input.chunks.length > 0) fetcher.versions.get(input.version)!.isWhole = input.whole === true
      wakeLinks(fetcher)
      return
    case 'chunks_unwanted':
      for (const hash of input.hashes) forget(fetcher, hash)
      return
    case 'link_up':
      if (fetcher.banned.has(input.peer)) effects.push({ kind: 'ban_peer', peer: input.peer })
      else links.set(input.peer, createSupplyLink(input.peer, now))
      return
    case 'link_down':
      dropLink(fetcher, input.peer)
      return
    case 'chunks_held': {
      const link = links.get(input.peer)
      if (link === undefined) return
      link.idle = false
      if (!takeHeld(link, input.hashes)) strike(fetcher, input.peer, input.hashes[0]!, 'too_large', effects)
      return
    }
    case 'chunks_dropped':
      for (const hash of input.hashes) withdraw(fetcher, input.peer, hash)
      return
    case 'piece_arrived':
      takePiece(fetcher, input.peer, input.piece, now, effects)
      return
    case 'chunk_unavailable':
      withdraw(fetcher, input.peer, input.hash)
      return
    case 'origin_granted':
      takeGrant(fetcher, input.version, input.hashes)
      return
    case 'grant_unanswered':
      takeNoGrant(fetcher, input.version)
      return
    case 'origin_answered':
      takeOriginAnswer(fetcher, input.hash, input.bytes, now, effects)
      return
    case 'origin_failed':
      originSent(fetcher.rates, 0)
      retryOriginLater(fetcher, input.hash, now)
      return
    case 'origin_lacks':
      originSent(fetcher.rates, 0)
      retryOriginLater(fetcher, input.hash, now)
      if (wanted.has(input.hash) && !isOffered(fetcher, input.hash)) effects.push({ kind: 'chunk_missing', hash: input.hash })
      return
    case 'time_passed':
      forgiveDeafness(fetcher, now)
      fetcher.wakeAt = undefined
      moveStalled(fetcher, now, effects)
      wakeLinks(fetcher)
  }
}

function want({ wanted, versions }: ChunkFetcher, chunk: ChunkReference, version: PolicyVersion, now: number): void {
  if (!versions.has(version)) versions.set(version, beginGrants())
  const known = wanted.get(chunk.hash)
  if (known === undefined) wanted.set(chunk.hash, { chunk, version, assembly: undefined, source: undefined, unmixed: false, originOffset: 0, originFailures: 0, originNotBefore: now })
  else known.version = version
}

function forget(fetcher: ChunkFetcher, hash: ContentHash): void {
  fetcher.wanted.delete(hash)
  fetcher.forOrigin.delete(hash)
  fetcher.fromOrigin.delete(hash)
  for (const link of fetcher.links.values()) unassign(link, hash)
  forgetGrant(fetcher, hash)
}

function dropLink(fetcher: ChunkFetcher, peer: PeerId): void {
  fetcher.links.delete(peer)
  for (const wanted of fetcher.wanted.values()) if (wanted.source === peer) release(fetcher, wanted)
}

/** The peer will send nothing of this chunk, not even what was asked. */
function withdraw(fetcher: ChunkFetcher, peer: PeerId, hash: ContentHash): void {
  const link = fetcher.links.get(peer)
  if (link !== undefined) {
    link.held.delete(hash)
    forgetOutstanding(link, hash)
  }
  const wanted = fetcher.wanted.get(hash)
  if (wanted?.source === peer) release(fetcher, wanted)
}

function takePiece(fetcher: ChunkFetcher, peer: PeerId, piece: Piece, now: number, effects: FetchEffect[]): void {
  const link = fetcher.links.get(peer)
  if (link === undefined) return
  const { hash, offset, payload } = piece
  fetcher.received.fromPeers += payload.byteLength
  const asked = noteArrived(link, piece, now)
  if (asked === undefined || asked.length !== payload.byteLength) {
    fetcher.received.discarded += payload.byteLength
    strike(fetcher, peer, hash, 'malformed', effects)
    return
  }
  link.idle = false
  const wanted = fetcher.wanted.get(hash)
  // A late piece of a chunk that the origin is sending is in vain: the origin's answer contains it. One of a chunk that must not be mixed is, too.
  const isOfUse = wanted?.assembly !== undefined && wanted.source !== ORIGIN && !(wanted.unmixed && wanted.source !== peer)
  if (!isOfUse || !addPiece(wanted.assembly!, offset, payload, peer)) {
    fetcher.received.discarded += payload.byteLength
    return
  }
  fetcher.progressAt = now
  if (fetcher.fromOrigin.size === 0) neighboursSent(fetcher.rates, payload.byteLength)
  finishIfWhole(fetcher, hash, now, effects)
}

function takeOriginAnswer(fetcher: ChunkFetcher, hash: ContentHash, bytes: Uint8Array, now: number, effects: FetchEffect[]): void {
  fetcher.received.fromOrigin += bytes.byteLength
  originSent(fetcher.rates, bytes.byteLength)
  const wanted = fetcher.wanted.get(hash)
  if (wanted === undefined || wanted.source !== ORIGIN || bytes.byteLength !== wanted.chunk.size - wanted.originOffset) {
    fetcher.received.discarded += bytes.byteLength
    retryOriginLater(fetcher, hash, now)
    return
  }
  fetcher.progressAt = now
  wanted.assembly ??= beginAssembly(wanted.chunk, fetcher.options.pieceBytes)
  addRemainder(wanted.assembly, wanted.originOffset, bytes)
  finishIfWhole(fetcher, hash, now, effects)
}

/** Meanwhile others may have it. */
function retryOriginLater(fetcher: ChunkFetcher, hash: ContentHash, now: number): void {
  const wanted = fetcher.wanted.get(hash)
  if (wanted?.source !== ORIGIN) return
  const { originRetryMs, originRetryMaxMs } = fetcher.options
  wanted.originNotBefore = now + Math.min(originRetryMs * 2 ** wanted.originFailures, originRetryMaxMs)
  wanted.originFailures++
  release(fetcher, wanted)
  // At the end: one chunk that the origin cannot give must not hold up the others.
  fetcher.forOrigin.delete(hash)
  fetcher.forOrigin.add(hash)
}

function finishIfWhole(fetcher: ChunkFetcher, hash: ContentHash, now: number, effects: FetchEffect[]): void {
  const wanted = fetcher.wanted.get(hash)
  if (wanted?.assembly === undefined || !isWhole(wanted.assembly)) return
  if (matchesItsHash(wanted.assembly)) {
    forget(fetcher, hash)
    effects.push({ kind: 'chunk_complete', hash, bytes: wanted.assembly.bytes })
    return
  }
  fetcher.received.discarded += wanted.chunk.size
  const [only, ...others] = wanted.assembly.contributors
  if (only === ORIGIN || others.length > 0) effects.push({ kind: 'suspect_sources', sources: [...wanted.assembly.contributors], hash })
  wanted.assembly = undefined
  if (only === ORIGIN && others.length === 0) {
    retryOriginLater(fetcher, hash, now)
    return
  }
  wanted.unmixed = others.length > 0
  release(fetcher, wanted)
  // Of several contributors nobody knows whose bytes were wrong, so nobody is blamed.
  if (only !== undefined && others.length === 0) strike(fetcher, only, hash, 'hash_mismatch', effects)
}

function strike(fetcher: ChunkFetcher, peer: PeerId, hash: ContentHash, code: 'malformed' | 'too_large' | 'hash_mismatch', effects: FetchEffect[]): void {
  effects.push({ kind: 'refuse_chunk', peer, hash, code })
  withdraw(fetcher, peer, hash)
  const strikes = (fetcher.strikes.get(peer) ?? 0) + 1
  fetcher.strikes.set(peer, strikes)
  if (strikes < fetcher.options.strikes) return
  fetcher.banned.add(peer)
  dropLink(fetcher, peer)
  effects.push({ kind: 'ban_peer', peer })
}

function moveStalled(fetcher: ChunkFetcher, now: number, effects: FetchEffect[]): void {
  for (const link of fetcher.links.values()) {
    if (link.stalled || link.outstanding.size === 0 || now - link.lastProgress < fetcher.options.stallMs) continue
    link.stalled = true
    stalled(link.window)
    effects.push({ kind: 'supplier_stalled', peer: link.peer })
    for (const wanted of fetcher.wanted.values()) if (wanted.source === link.peer) release(fetcher, wanted)
  }
}

function askOrigin(fetcher: ChunkFetcher, now: number, effects: FetchEffect[]): void {
  const { forOrigin, fromOrigin, links, options } = fetcher
  const requests = links.size === 0 ? options.originRequestsAlone : options.originRequests
  for (const hash of forOrigin) {
    if (fromOrigin.size >= requests) return
    const wanted = fetcher.wanted.get(hash)!
    if (wanted.source !== undefined || now < wanted.originNotBefore || yieldsToPeers(fetcher, wanted)) continue
    forOrigin.delete(hash)
    fromOrigin.add(hash)
    wanted.source = ORIGIN
    wanted.originOffset = wanted.assembly === undefined ? 0 : arrivedPrefix(wanted.assembly)
    effects.push({ kind: 'ask_origin', hash, offset: wanted.originOffset })
  }
}

/** What was granted because nobody was linked, somebody has who is linked now. */
function yieldsToPeers(fetcher: ChunkFetcher, { chunk: { hash }, version }: WantedChunk): boolean {
  const grants = fetcher.versions.get(version)
  if (grants?.need !== 'alone' || !isOffered(fetcher, hash)) return false
  fetcher.forOrigin.delete(hash)
  grants.granted.delete(hash)
  return true
}
