import { decodePiece, linkMessage, PIECE_HEADER_BYTES, type LinkMessage, type Piece } from '#shared/protocol/link-frames.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { decode } from '#shared/protocol/schema.ts'

export type LinkFrame =
  | { readonly kind: 'message'; readonly message: LinkMessage }
  | { readonly kind: 'piece'; readonly piece: Piece }
  /** `hash`: the chunk whose exchange the frame belonged to, where it said so. */
  | { readonly kind: 'bad_frame'; readonly code: 'malformed' | 'too_large'; readonly hash?: string }

/** The longest message is a list of hashes. */
const MESSAGE_CHARACTERS = 16 * 1024

/** Checks what came over a data channel: text is a message, binary is a piece. Never throws. */
export function readLinkFrame(data: unknown): LinkFrame {
  if (typeof data === 'string') return readMessage(data)
  if (!(data instanceof Uint8Array)) return { kind: 'bad_frame', code: 'malformed' }
  const piece = decodePiece(data)
  if (piece !== undefined) return { kind: 'piece', piece }
  if (data.byteLength <= PIECE_HEADER_BYTES + LIMITS.pieceBytes) return { kind: 'bad_frame', code: 'malformed' }
  const head = decodePiece(data.subarray(0, PIECE_HEADER_BYTES + 1))
  return { kind: 'bad_frame', code: 'too_large', ...(head !== undefined && { hash: head.hash }) }
}

function readMessage(text: string): LinkFrame {
  if (text.length > MESSAGE_CHARACTERS) return { kind: 'bad_frame', code: 'too_large' }
  try {
    const decoded = decode(linkMessage, JSON.parse(text))
    return decoded.kind === 'ok' ? { kind: 'message', message: decoded.value } : { kind: 'bad_frame', code: 'malformed' }
  } catch (error) {
    if (error instanceof SyntaxError) return { kind: 'bad_frame', code: 'malformed' }
    throw error
  }
}
