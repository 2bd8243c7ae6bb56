/** What a fetching tab knows of the tabs it is linked with: what each holds, what was asked of it, how fast it delivers. */
import type { ContentHash, PeerId } from '../protocol/identifiers.ts'
import type { Piece } from '../protocol/link-frames.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { PieceRange } from './chunk-assembly.ts'
import { createRequestWindow, pieceCame, type RequestWindow } from './request-window.ts'

export interface OutstandingPiece extends PieceRange {
  readonly hash: ContentHash
  readonly askedAt: number
}

export interface SupplyLink {
  readonly peer: PeerId
  /** What it says it has, whether wanted here or not. */
  readonly held: Set<ContentHash>
  /** By `hash/offset`. A stalled supplier's stay: they may still arrive, and until then use up its window. */
  readonly outstanding: Map<string, OutstandingPiece>
  readonly window: RequestWindow
  /** The chunk that is asked of it at the moment, and towards its end the next one. */
  assigned: ContentHash[]
  lastProgress: number
  /** Between pieces, averaged; undefined before the first came. */
  msPerPiece: number | undefined
  stalled: boolean
  /** Nothing that is wanted can be asked of it; until something changes, it is not looked at again. */
  idle: boolean
}

const PACE_WEIGHT = 0.2

export function createSupplyLink(peer: PeerId, now: number): SupplyLink {
  return { peer, held: new Set(), outstanding: new Map(), window: createRequestWindow(), assigned: [], lastProgress: now, msPerPiece: undefined, stalled: false, idle: false }
}

export function unassign(link: SupplyLink, hash: ContentHash): void {
  link.assigned = link.assigned.filter(assigned => assigned !== hash)
}

/** @returns false when it claims more than any tab can hold */
export function takeHeld(link: SupplyLink, hashes: readonly ContentHash[]): boolean {
  for (const hash of hashes) link.held.add(hash)
  return link.held.size <= LIMITS.chunksHeldByPeer
}

export function hasCredit({ outstanding, window }: SupplyLink): boolean {
  return outstanding.size < Math.floor(window.pieces)
}

export function noteAsked(link: SupplyLink, hash: ContentHash, range: PieceRange, now: number): void {
  if (link.outstanding.size === 0) link.lastProgress = now
  link.outstanding.set(`${hash}/${range.offset}`, { hash, askedAt: now, ...range })
}

/** @returns what was asked, when this answers it */
export function noteArrived(link: SupplyLink, { hash, offset, sentAt, besideHiddenStates = false }: Piece, now: number): OutstandingPiece | undefined {
  const key = `${hash}/${offset}`
  const asked = link.outstanding.get(key)
  if (asked === undefined) return undefined
  link.outstanding.delete(key)
  pieceCame(link.window, now - sentAt, besideHiddenStates, now)
  const sinceLast = now - Math.max(link.lastProgress, asked.askedAt)
  link.msPerPiece = link.msPerPiece === undefined ? sinceLast : link.msPerPiece + PACE_WEIGHT * (sinceLast - link.msPerPiece)
  link.lastProgress = now
  link.stalled = false
  return asked
}

/** Nothing of the chunk will come from it. */
export function forgetOutstanding(link: SupplyLink, hash: ContentHash): void {
  for (const [key, asked] of link.outstanding) if (asked.hash === hash) link.outstanding.delete(key)
  if (link.outstanding.size === 0) link.stalled = false
}

/** Milliseconds until so many more pieces would be here; a supplier that nobody has tried yet is taken for a fast one. */
export function expectedMs(link: SupplyLink, pieces: number): number {
  return (link.outstanding.size + pieces) * (link.msPerPiece ?? 0)
}
