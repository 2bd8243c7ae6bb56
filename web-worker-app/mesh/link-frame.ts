import { decodePiece, linkHello, linkMessage, PIECE_HEADER_BYTES, type LinkHello, type LinkMessage, type Piece } from '#shared/protocol/link-frames.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { decode, v } from '#shared/protocol/schema.ts'

/** `hash`: the chunk whose exchange the frame belonged to, where it said so. */
export interface BadFrame {
  readonly kind: 'bad_frame'
  readonly code: 'malformed' | 'too_large'
  readonly hash?: string
}

export type LinkFrame = { readonly kind: 'message'; readonly message: LinkMessage } | { readonly kind: 'piece'; readonly piece: Piece } | BadFrame

export type ControlFrame = { readonly kind: 'message'; readonly message: LinkMessage } | LinkHello | BadFrame
export type BulkFrame = { readonly kind: 'piece'; readonly piece: Piece } | BadFrame
/** `nothing`: an empty message, sent for what it does to its sender's SCTP. */
export type StageFrame = { readonly kind: 'fragment'; readonly fragment: Uint8Array<ArrayBuffer> } | { readonly kind: 'nothing' } | BadFrame

/** The longest message is a list of hashes. */
export const MESSAGE_CHARACTERS = 16 * 1024

const controlMessage = v.variant('kind', [linkHello, linkMessage])

/** Checks what came over the control channel. Never throws. */
export function readControlFrame(data: unknown): ControlFrame {
  if (typeof data !== 'string') return { kind: 'bad_frame', code: 'malformed' }
  if (data.length > MESSAGE_CHARACTERS) return { kind: 'bad_frame', code: 'too_large' }
  let parsed: unknown
  try {
    parsed = JSON.parse(data)
  } catch {
    return { kind: 'bad_frame', code: 'malformed' }
  }
  const decoded = decode(controlMessage, parsed)
  if (decoded.kind === 'malformed') return { kind: 'bad_frame', code: 'malformed' }
  return decoded.value.kind === 'hello' ? decoded.value : { kind: 'message', message: decoded.value }
}

/** Checks what came over the bulk channel. Never throws. */
export function readBulkFrame(data: unknown): BulkFrame {
  if (!(data instanceof ArrayBuffer)) return { kind: 'bad_frame', code: 'malformed' }
  const frame = new Uint8Array(data)
  const piece = decodePiece(frame)
  if (piece !== undefined) return { kind: 'piece', piece }
  if (frame.byteLength <= PIECE_HEADER_BYTES + LIMITS.pieceBytes) return { kind: 'bad_frame', code: 'malformed' }
  const head = decodePiece(frame.subarray(0, PIECE_HEADER_BYTES + 1))
  return { kind: 'bad_frame', code: 'too_large', ...(head !== undefined && { hash: head.hash }) }
}

/** Checks what came over the stages channel; what a fragment holds is for the worker that computes. Never throws. */
export function readStageFrame(data: unknown): StageFrame {
  if (!(data instanceof ArrayBuffer)) return { kind: 'bad_frame', code: 'malformed' }
  if (data.byteLength > LIMITS.stageFragmentBytes) return { kind: 'bad_frame', code: 'too_large' }
  return data.byteLength === 0 ? { kind: 'nothing' } : { kind: 'fragment', fragment: new Uint8Array(data) }
}
