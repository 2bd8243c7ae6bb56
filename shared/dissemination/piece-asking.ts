/** Which piece of which chunk is asked of which linked tab next: part of the fetching machine. */
import type { ContentHash, PeerId } from '../protocol/identifiers.ts'
import type { Rng } from '../random/rng.ts'
import { askNextPiece, ORIGIN, piecesMissing, piecesUnasked, type PieceRange } from './chunk-assembly.ts'
import { assign, release, type ChunkFetcher, type FetchContext, type WantedChunk } from './fetcher-state.ts'
import { expectedMs, hasCredit, noteAsked, unassign, type SupplyLink } from './supply-links.ts'

/** Somebody else takes over the last chunks if it will have sent the rest in this fraction of the time, the saving being worth the bytes sent twice. */
const TAKE_OVER_FRACTION = 0.5
const TAKE_OVER_SAVES_MS = 300
/** The first piece of a chunk is asked so long before the end of the one before it: its sender reads the chunk meanwhile, and its uplink does not run dry. */
const AHEAD_MS = 30

export interface AskPiece extends PieceRange {
  readonly kind: 'ask_piece'
  readonly peer: PeerId
  readonly hash: ContentHash
}

/** Asks as much as windows allow, the fastest suppliers first. */
export function askPieces(fetcher: ChunkFetcher, { now, rng }: FetchContext): AskPiece[] {
  const asked: AskPiece[] = []
  if (fetcher.wanted.size === 0) return asked
  const links = [...fetcher.links.values()].filter(link => !link.stalled && !link.idle && hasCredit(link))
  for (const link of links.toSorted((left, right) => (left.msPerPiece ?? 0) - (right.msPerPiece ?? 0))) askOf(fetcher, link, now, rng, asked)
  return asked
}

function askOf(fetcher: ChunkFetcher, link: SupplyLink, now: number, rng: Rng, asked: AskPiece[]): void {
  while (hasCredit(link)) {
    const wanted = chunkToAsk(fetcher, link, rng)
    if (wanted === undefined) {
      link.idle = true
      return
    }
    const { hash } = wanted.chunk
    const range = askNextPiece(wanted.assembly!)
    if (range === undefined) {
      unassign(link, hash)
      continue
    }
    noteAsked(link, hash, range, now)
    asked.push({ kind: 'ask_piece', peer: link.peer, hash, ...range })
  }
}

/** The one that is being asked; once, shortly before its end, the one after it. */
function chunkToAsk(fetcher: ChunkFetcher, link: SupplyLink, rng: Rng): WantedChunk | undefined {
  const [current, next] = link.assigned.map(hash => fetcher.wanted.get(hash)!)
  if (current === undefined) return nextChunk(fetcher, link, rng)
  if (next !== undefined || piecesUnasked(current.assembly!) * (link.msPerPiece ?? 0) > AHEAD_MS) return current
  return nextChunk(fetcher, link, rng) ?? current
}

function nextChunk(fetcher: ChunkFetcher, link: SupplyLink, rng: Rng): WantedChunk | undefined {
  const next = rarest(fetcher, link, rng) ?? lateOne(fetcher, link)
  if (next === undefined) return undefined
  if (next.source !== undefined) release(fetcher, next)
  assign(fetcher, next, link)
  return next
}

/** Of what nobody sends yet, that which the fewest neighbours have: what is rare would be lost first (Legout et al. 2006, "Rarest First and Choke Algorithms Are Enough"). */
function rarest({ wanted: chunks, links }: ChunkFetcher, link: SupplyLink, rng: Rng): WantedChunk | undefined {
  let best: WantedChunk | undefined
  let fewest = Infinity
  let ties = 0
  for (const [hash, wanted] of chunks) {
    if (wanted.source !== undefined || !link.held.has(hash)) continue
    const holders = countHolders(links, hash)
    if (holders > fewest) continue
    ties = holders < fewest ? 1 : ties + 1
    fewest = holders
    // Each of equally rare ones with the same probability: neighbours shall not all fetch the same.
    if (rng.below(ties) === 0) best = wanted
  }
  return best
}

export function countHolders(links: ChunkFetcher['links'], hash: ContentHash): number {
  let holders = 0
  for (const { held } of links.values()) if (held.has(hash)) holders++
  return holders
}

/** Towards the end somebody who has nothing else to do takes over from whoever is far slower. */
function lateOne({ wanted: chunks, links }: ChunkFetcher, link: SupplyLink): WantedChunk | undefined {
  if (link.msPerPiece === undefined || link.outstanding.size > 0) return undefined
  for (const [hash, wanted] of chunks) {
    const { source, assembly } = wanted
    if (source === undefined || source === ORIGIN || source === link.peer || assembly === undefined || !link.held.has(hash)) continue
    const missing = piecesMissing(assembly)
    const now = expectedMs(links.get(source)!, 0)
    const then = expectedMs(link, missing)
    if (then < now * TAKE_OVER_FRACTION && now - then > TAKE_OVER_SAVES_MS) return wanted
  }
  return undefined
}
