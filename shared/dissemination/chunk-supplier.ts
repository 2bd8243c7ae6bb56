/**
 * How one tab answers others who want pieces of chunks. Wants for a chunk that is still on its way are parked, so that a
 * version streams through a line of tabs. A pure machine: it knows which chunks are there, the driver has their bytes.
 */
import type { ContentHash, PeerId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { PieceRange } from './chunk-assembly.ts'

/** Twice the credit of an asker that keeps to the rules: whoever parks more is not one. */
const PARKED_PER_PEER = 16

export type SupplyInput =
  /** Verified, and readable by the driver until it is dropped. */
  | { readonly kind: 'chunk_held'; readonly hash: ContentHash; readonly size: number }
  | { readonly kind: 'chunk_expected'; readonly hash: ContentHash }
  /** Neither held nor expected any more. */
  | { readonly kind: 'chunk_dropped'; readonly hash: ContentHash }
  | ({ readonly kind: 'piece_wanted'; readonly peer: PeerId; readonly hash: ContentHash } & PieceRange)
  | { readonly kind: 'link_down'; readonly peer: PeerId }

export type SupplyEffect =
  | ({ readonly kind: 'send_piece'; readonly peer: PeerId; readonly hash: ContentHash } & PieceRange)
  | { readonly kind: 'send_unavailable'; readonly peer: PeerId; readonly hash: ContentHash }
  /** The want reaches beyond the chunk, or is one too many: tell the peer `chunk_refused`. */
  | { readonly kind: 'refuse_want'; readonly peer: PeerId; readonly hash: ContentHash; readonly code: 'malformed' | 'too_large' }

interface ParkedWant extends PieceRange {
  readonly peer: PeerId
  readonly hash: ContentHash
}

export interface ChunkSupplier {
  /** Sizes of the chunks held, in bytes. */
  readonly held: Map<ContentHash, number>
  readonly expected: Set<ContentHash>
  readonly parked: Map<ContentHash, ParkedWant[]>
  readonly parkedByPeer: Map<PeerId, number>
}

export function createChunkSupplier(): ChunkSupplier {
  return { held: new Map(), expected: new Set(), parked: new Map(), parkedByPeer: new Map() }
}

export function stepChunkSupplier(supplier: ChunkSupplier, input: SupplyInput): SupplyEffect[] {
  const { held, expected } = supplier
  switch (input.kind) {
    case 'chunk_held':
      expected.delete(input.hash)
      held.set(input.hash, input.size)
      return unpark(supplier, input.hash).map(want => answer(want, input.size))
    case 'chunk_expected':
      if (!held.has(input.hash)) expected.add(input.hash)
      return []
    case 'chunk_dropped': {
      held.delete(input.hash)
      expected.delete(input.hash)
      const peers = new Set(unpark(supplier, input.hash).map(want => want.peer))
      return [...peers].map(peer => ({ kind: 'send_unavailable', peer, hash: input.hash }))
    }
    case 'piece_wanted': {
      const { kind: _, ...want } = input
      const size = held.get(want.hash)
      if (size !== undefined) return [answer(want, size)]
      if (!expected.has(want.hash)) return [{ kind: 'send_unavailable', peer: want.peer, hash: want.hash }]
      return park(supplier, want)
    }
    case 'link_down':
      supplier.parkedByPeer.delete(input.peer)
      for (const [hash, wants] of supplier.parked) supplier.parked.set(hash, wants.filter(want => want.peer !== input.peer))
      return []
  }
}

function answer(want: ParkedWant, size: number): SupplyEffect {
  if (want.length > LIMITS.pieceBytes || want.offset + want.length > size) return { kind: 'refuse_want', peer: want.peer, hash: want.hash, code: 'malformed' }
  return { kind: 'send_piece', ...want }
}

function park(supplier: ChunkSupplier, want: ParkedWant): SupplyEffect[] {
  const parkedOfPeer = supplier.parkedByPeer.get(want.peer) ?? 0
  if (parkedOfPeer >= PARKED_PER_PEER) return [{ kind: 'refuse_want', peer: want.peer, hash: want.hash, code: 'too_large' }]
  supplier.parkedByPeer.set(want.peer, parkedOfPeer + 1)
  supplier.parked.set(want.hash, [...(supplier.parked.get(want.hash) ?? []), want])
  return []
}

function unpark(supplier: ChunkSupplier, hash: ContentHash): readonly ParkedWant[] {
  const wants = supplier.parked.get(hash) ?? []
  supplier.parked.delete(hash)
  for (const { peer } of wants) supplier.parkedByPeer.set(peer, supplier.parkedByPeer.get(peer)! - 1)
  return wants
}
