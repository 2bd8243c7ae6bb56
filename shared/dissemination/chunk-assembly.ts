/** One chunk while its pieces arrive, in any order and from several sources. */
import { sha256Hex } from '../crypto/sha256.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { ChunkReference } from '../protocol/manifest.ts'

export const ORIGIN = 'origin'
/** Where a chunk's bytes come from: a peer id, or the word "origin", which is none. */
export type Source = PeerId

export interface ChunkAssembly {
  readonly chunk: ChunkReference
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly pieces: Uint8Array
  /** Everybody whose bytes are in it. */
  readonly contributors: Set<Source>
}

const MISSING = 0
const ASKED = 1
const ARRIVED = 2

export interface PieceRange {
  readonly offset: number
  readonly length: number
}

export function beginAssembly(chunk: ChunkReference): ChunkAssembly {
  const bytes = new Uint8Array(chunk.size)
  return { chunk, bytes, pieces: new Uint8Array(Math.ceil(chunk.size / LIMITS.pieceBytes)), contributors: new Set() }
}

/** Marks the next piece that nobody was asked for as asked. */
export function askNextPiece({ chunk, pieces }: ChunkAssembly): PieceRange | undefined {
  const index = pieces.indexOf(MISSING)
  if (index === -1) return undefined
  pieces[index] = ASKED
  const offset = index * LIMITS.pieceBytes
  return { offset, length: Math.min(LIMITS.pieceBytes, chunk.size - offset) }
}

/** Notes that a piece was asked for before this assembly began, and is still expected. */
export function markAsked({ pieces }: ChunkAssembly, offset: number): void {
  const index = offset / LIMITS.pieceBytes
  if (pieces[index] === MISSING) pieces[index] = ASKED
}

/** Takes back what was asked and has not arrived. */
export function forgetAsked({ pieces }: ChunkAssembly): void {
  for (let index = 0; index < pieces.length; index++) if (pieces[index] === ASKED) pieces[index] = MISSING
}

/** @returns false when these bytes are there already */
export function addPiece(assembly: ChunkAssembly, offset: number, payload: Uint8Array, source: Source): boolean {
  const index = offset / LIMITS.pieceBytes
  if (assembly.pieces[index] === ARRIVED) return false
  assembly.bytes.set(payload, offset)
  assembly.pieces[index] = ARRIVED
  assembly.contributors.add(source)
  return true
}

/** Bytes that are there without a gap from the start: what is fetched again from the origin begins after them. */
export function arrivedPrefix({ chunk, pieces }: ChunkAssembly): number {
  const gap = pieces.findIndex(piece => piece !== ARRIVED)
  return gap === -1 ? chunk.size : gap * LIMITS.pieceBytes
}

/** The origin answers with all the bytes from an offset to the end. */
export function addRemainder(assembly: ChunkAssembly, offset: number, remainder: Uint8Array): void {
  assembly.bytes.set(remainder, offset)
  assembly.pieces.fill(ARRIVED, offset / LIMITS.pieceBytes)
  assembly.contributors.add(ORIGIN)
}

export function isWhole({ pieces }: ChunkAssembly): boolean {
  return pieces.every(piece => piece === ARRIVED)
}

export function matchesItsHash({ chunk, bytes }: ChunkAssembly): boolean {
  return sha256Hex(bytes) === chunk.hash
}
