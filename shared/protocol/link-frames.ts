/**
 * Frames on the data channels of a link. `control` carries the JSON messages below; `bulk` carries pieces of chunks:
 * 32 bytes SHA-256 of the chunk, uint32 offset, uint32 milliseconds on the sender's clock (both little-endian), a byte that is 1
 * where hidden states leave the sender, too, then at most `LIMITS.pieceBytes` of payload; `stages` carries fragments of stage frames (`shared/pipeline/frame-fragments.ts`)
 * of at most `LIMITS.stageFragmentBytes`, and empty messages that mean nothing: they make their sender's SCTP go on (docs/adr/0018).
 * Flow control is receiver credit: a supplier sends only what was asked for, and askers keep few pieces outstanding.
 */
import { contentHash, count } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { v } from './schema.ts'

export const linkMessage = v.variant('kind', [
  v.strictObject({ kind: v.literal('piece_wanted'), hash: contentHash, offset: count, length: v.pipe(count, v.minValue(1), v.maxValue(LIMITS.pieceBytes)) }),
  /** What the sender has, in addition to what it said before, and what of it it has no more. */
  v.strictObject({ kind: v.picklist(['chunks_held', 'chunks_dropped']), hashes: v.pipe(v.array(contentHash), v.minLength(1), v.maxLength(LIMITS.hashesPerMessage)) }),
  /** The supplier does not have the chunk. */
  v.strictObject({ kind: v.literal('chunk_unavailable'), hash: contentHash }),
  /** The receiver of a chunk that did not match its hash says so before it closes the exchange. */
  v.strictObject({ kind: v.literal('chunk_refused'), hash: contentHash, code: v.picklist(['malformed', 'too_large', 'hash_mismatch']) }),
  /** Answered at once with the same number: how long the way there and back takes. */
  v.strictObject({ kind: v.picklist(['ping', 'pong']), id: count })
])
export type LinkMessage = v.InferOutput<typeof linkMessage>

/** First on every link: its sender listens. `heard`: it has heard the other's hello, which need not say it again. */
export const linkHello = v.strictObject({ kind: v.literal('hello'), heard: v.boolean() })
export type LinkHello = v.InferOutput<typeof linkHello>

export const PIECE_HEADER_BYTES = 41

export interface Piece {
  readonly hash: string
  readonly offset: number
  /** When it was sent, in whole milliseconds on a clock of the sender's that never goes back: how long pieces queue shows in how this lags behind. */
  readonly sentAt: number
  /** Hidden states leave the sender at this time, for whomever: they should not queue behind pieces. */
  readonly besideHiddenStates?: boolean
  readonly payload: Uint8Array
}

export function encodePiece(piece: Piece): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(PIECE_HEADER_BYTES + piece.payload.byteLength)
  for (let index = 0; index < 32; index++) frame[index] = Number.parseInt(piece.hash.slice(index * 2, index * 2 + 2), 16)
  const view = new DataView(frame.buffer)
  view.setUint32(32, piece.offset, true)
  view.setUint32(36, piece.sentAt, true)
  view.setUint8(40, piece.besideHiddenStates === true ? 1 : 0)
  frame.set(piece.payload, PIECE_HEADER_BYTES)
  return frame
}

/** @returns undefined when the frame is too short, too long or empty. */
export function decodePiece(frame: Uint8Array): Piece | undefined {
  const payloadBytes = frame.byteLength - PIECE_HEADER_BYTES
  if (payloadBytes < 1 || payloadBytes > LIMITS.pieceBytes) return undefined
  let hash = ''
  for (let index = 0; index < 32; index++) hash += frame[index]!.toString(16).padStart(2, '0')
  const view = new DataView(frame.buffer, frame.byteOffset)
  return { hash, offset: view.getUint32(32, true), sentAt: view.getUint32(36, true), besideHiddenStates: view.getUint8(40) === 1, payload: frame.subarray(PIECE_HEADER_BYTES) }
}
