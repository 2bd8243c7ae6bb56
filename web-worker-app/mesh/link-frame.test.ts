import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodePiece, PIECE_HEADER_BYTES } from '#shared/protocol/link-frames.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { readLinkFrame } from './link-frame.ts'

const hash = 'ab'.repeat(32)

test('pieces and messages are read back', () => {
  const piece = { hash, offset: 70_000, sentAt: 123_456, payload: Uint8Array.of(1, 2, 3) }
  expect(readLinkFrame(encodePiece(piece))).toEqual({ kind: 'piece', piece })
  const message = { kind: 'piece_wanted', hash, offset: 0, length: LIMITS.pieceBytes }
  expect(readLinkFrame(JSON.stringify(message))).toEqual({ kind: 'message', message })
})

test('what is too long is refused as that, with its chunk where it names one', () => {
  const frame = encodePiece({ hash, offset: 0, sentAt: 0, payload: new Uint8Array(LIMITS.pieceBytes + 1) })
  expect(readLinkFrame(frame)).toEqual({ kind: 'bad_frame', code: 'too_large', hash })
  expect(readLinkFrame(`"${'x'.repeat(17_000)}"`)).toEqual({ kind: 'bad_frame', code: 'too_large' })
})

test.each([
  ['not JSON', '{'],
  ['an unknown kind', '{"kind":"run_code"}'],
  ['an unknown key', JSON.stringify({ kind: 'chunk_unavailable', hash, more: 1 })],
  ['a piece longer than allowed', JSON.stringify({ kind: 'piece_wanted', hash, offset: 0, length: LIMITS.pieceBytes + 1 })],
  ['a piece without payload', new Uint8Array(PIECE_HEADER_BYTES)],
  ['neither text nor bytes', 5]
])('%s is malformed', (_, data) => {
  expect(readLinkFrame(data)).toEqual({ kind: 'bad_frame', code: 'malformed' })
})

test('no frame makes the reader throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.uint8Array(), fc.anything()), data => {
      expect(['message', 'piece', 'bad_frame']).toContain(readLinkFrame(data).kind)
    })
  )
})
