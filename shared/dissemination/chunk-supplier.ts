/**
 * How one tab supplies others: it tells every linked tab what it has as soon as it has it, and sends the pieces that it is asked
 * for. A pure machine: it knows which chunks are there, the driver has their bytes.
 */
import type { ContentHash, PeerId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { PieceRange } from './chunk-assembly.ts'

export type SupplyInput =
  /** Verified, and readable by the driver until it is dropped. */
  | { readonly kind: 'chunk_held'; readonly hash: ContentHash; readonly size: number }
  | { readonly kind: 'chunks_dropped'; readonly hashes: readonly ContentHash[] }
  | ({ readonly kind: 'piece_wanted'; readonly peer: PeerId; readonly hash: ContentHash } & PieceRange)
  | { readonly kind: 'link_up'; readonly peer: PeerId }
  | { readonly kind: 'link_down'; readonly peer: PeerId }

export type SupplyEffect =
  | { readonly kind: 'tell_held'; readonly peer: PeerId; readonly hashes: readonly ContentHash[] }
  | { readonly kind: 'tell_dropped'; readonly peer: PeerId; readonly hashes: readonly ContentHash[] }
  | ({ readonly kind: 'send_piece'; readonly peer: PeerId; readonly hash: ContentHash } & PieceRange)
  | { readonly kind: 'send_unavailable'; readonly peer: PeerId; readonly hash: ContentHash }
  /** The want reaches beyond the chunk: tell the peer `chunk_refused`. */
  | { readonly kind: 'refuse_want'; readonly peer: PeerId; readonly hash: ContentHash; readonly code: 'malformed' }

export interface ChunkSupplier {
  /** Sizes of the chunks held, in bytes. */
  readonly held: Map<ContentHash, number>
  readonly links: Set<PeerId>
}

export function createChunkSupplier(): ChunkSupplier {
  return { held: new Map(), links: new Set() }
}

export function stepChunkSupplier({ held, links }: ChunkSupplier, input: SupplyInput): SupplyEffect[] {
  switch (input.kind) {
    case 'chunk_held':
      if (held.has(input.hash)) return []
      held.set(input.hash, input.size)
      return [...links].map(peer => ({ kind: 'tell_held', peer, hashes: [input.hash] }))
    case 'chunks_dropped': {
      const hashes = input.hashes.filter(hash => held.delete(hash))
      return [...links].flatMap(peer => inMessages(hashes).map((part): SupplyEffect => ({ kind: 'tell_dropped', peer, hashes: part })))
    }
    case 'piece_wanted': {
      const { peer, hash, offset, length } = input
      const size = held.get(hash)
      if (size === undefined) return [{ kind: 'send_unavailable', peer, hash }]
      if (length > LIMITS.pieceBytes || offset + length > size) return [{ kind: 'refuse_want', peer, hash, code: 'malformed' }]
      return [{ kind: 'send_piece', peer, hash, offset, length }]
    }
    case 'link_up':
      links.add(input.peer)
      return inMessages([...held.keys()]).map(hashes => ({ kind: 'tell_held', peer: input.peer, hashes }))
    case 'link_down':
      links.delete(input.peer)
      return []
  }
}

function inMessages(hashes: readonly ContentHash[]): ContentHash[][] {
  const messages: ContentHash[][] = []
  for (let from = 0; from < hashes.length; from += LIMITS.hashesPerMessage) messages.push(hashes.slice(from, from + LIMITS.hashesPerMessage))
  return messages
}
