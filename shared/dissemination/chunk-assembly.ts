/** One chunk while its pieces arrive, in any order and from several sources. */
import { beginSha256, type RunningSha256 } from '../crypto/sha256.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import type { ChunkReference } from '../protocol/manifest.ts'

export const ORIGIN = 'origin'
/** Where a chunk's bytes come from: a peer id, or the word "origin", which is none. */
export type Source = PeerId

export interface ChunkAssembly {
  readonly chunk: ChunkReference
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly pieceBytes: number
  readonly pieces: Uint8Array
  /** Everybody whose bytes are in it. */
  readonly contributors: Set<Source>
  /** Of the bytes that are there without a gap: hashing a whole chunk at once would hold up hidden states, which pass through the same thread. */
  prefix: { readonly sha256: RunningSha256; bytes: number }
}

const MISSING = 0
const ASKED = 1
const ARRIVED = 2

export interface PieceRange {
  readonly offset: number
  readonly length: number
}

export function beginAssembly(chunk: ChunkReference, pieceBytes: number): ChunkAssembly {
  const bytes = new Uint8Array(chunk.size)
  return { chunk, bytes, pieceBytes, pieces: new Uint8Array(Math.ceil(chunk.size / pieceBytes)), contributors: new Set(), prefix: { sha256: beginSha256(), bytes: 0 } }
}

/** Marks the next piece that nobody was asked for as asked. */
export function askNextPiece({ chunk, pieceBytes, pieces }: ChunkAssembly): PieceRange | undefined {
  const index = pieces.indexOf(MISSING)
  if (index === -1) return undefined
  pieces[index] = ASKED
  const offset = index * pieceBytes
  return { offset, length: Math.min(pieceBytes, chunk.size - offset) }
}

export function piecesUnasked({ pieces }: ChunkAssembly): number {
  return pieces.reduce((count, piece) => (piece === MISSING ? count + 1 : count), 0)
}

/** Notes that a piece was asked for before this assembly began, and is still expected. */
export function markAsked({ pieceBytes, pieces }: ChunkAssembly, offset: number): void {
  const index = offset / pieceBytes
  if (pieces[index] === MISSING) pieces[index] = ASKED
}

/** Takes back what was asked and has not arrived. */
export function forgetAsked({ pieces }: ChunkAssembly): void {
  for (let index = 0; index < pieces.length; index++) if (pieces[index] === ASKED) pieces[index] = MISSING
}

/** @returns false when these bytes are there already */
export function addPiece(assembly: ChunkAssembly, offset: number, payload: Uint8Array, source: Source): boolean {
  const index = offset / assembly.pieceBytes
  if (assembly.pieces[index] === ARRIVED) return false
  assembly.bytes.set(payload, offset)
  assembly.pieces[index] = ARRIVED
  assembly.contributors.add(source)
  hashPrefix(assembly)
  return true
}

/** Bytes that are there without a gap from the start: what is fetched again from the origin begins after them. */
export function arrivedPrefix({ chunk, pieceBytes, pieces }: ChunkAssembly): number {
  const gap = pieces.findIndex(piece => piece !== ARRIVED)
  return gap === -1 ? chunk.size : gap * pieceBytes
}

/** The origin answers with all the bytes from an offset to the end. */
export function addRemainder(assembly: ChunkAssembly, offset: number, remainder: Uint8Array): void {
  if (offset < assembly.prefix.bytes) assembly.prefix = { sha256: beginSha256(), bytes: 0 }
  assembly.bytes.set(remainder, offset)
  assembly.pieces.fill(ARRIVED, offset / assembly.pieceBytes)
  assembly.contributors.add(ORIGIN)
}

export function hasArrived({ pieces }: ChunkAssembly): boolean {
  return pieces.includes(ARRIVED)
}

/** Pieces that have not arrived, asked for or not. */
export function piecesMissing({ pieces }: ChunkAssembly): number {
  return pieces.reduce((count, piece) => (piece === ARRIVED ? count : count + 1), 0)
}

export function isWhole({ pieces }: ChunkAssembly): boolean {
  return pieces.every(piece => piece === ARRIVED)
}

/** Once, when it is whole. */
export function matchesItsHash(assembly: ChunkAssembly): boolean {
  hashPrefix(assembly)
  return assembly.prefix.sha256.end() === assembly.chunk.hash
}

function hashPrefix(assembly: ChunkAssembly): void {
  const { bytes, prefix } = assembly
  const end = arrivedPrefix(assembly)
  if (end > prefix.bytes) prefix.sha256.add(bytes.subarray(prefix.bytes, end))
  prefix.bytes = Math.max(prefix.bytes, end)
}
