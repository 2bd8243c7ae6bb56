import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodePiece, PIECE_HEADER_BYTES } from '#shared/protocol/link-frames.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { readBulkFrame, readControlFrame, readStageFrame } from './link-frame.ts'

const hash = 'ab'.repeat(32)

test('pieces, messages and fragments are read back', () => {
  const piece = { hash, offset: 70_000, sentAt: 123_456, besideHiddenStates: true, payload: Uint8Array.of(1, 2, 3) }
  expect(readBulkFrame(encodePiece(piece).buffer)).toEqual({ kind: 'piece', piece })
  const message = { kind: 'piece_wanted', hash, offset: 0, length: LIMITS.pieceBytes }
  expect(readControlFrame(JSON.stringify(message))).toEqual({ kind: 'message', message })
  expect(readControlFrame('{"kind":"hello","heard":true}')).toEqual({ kind: 'hello', heard: true })
  expect(readStageFrame(Uint8Array.of(1, 2).buffer)).toEqual({ kind: 'fragment', fragment: Uint8Array.of(1, 2) })
})

test('what is too long is refused as that, with its chunk where it names one', () => {
  const frame = encodePiece({ hash, offset: 0, sentAt: 0, payload: new Uint8Array(LIMITS.pieceBytes + 1) })
  expect(readBulkFrame(frame.buffer)).toEqual({ kind: 'bad_frame', code: 'too_large', hash })
  expect(readControlFrame(`"${'x'.repeat(17_000)}"`)).toEqual({ kind: 'bad_frame', code: 'too_large' })
  expect(readStageFrame(new ArrayBuffer(LIMITS.stageFragmentBytes + 1))).toEqual({ kind: 'bad_frame', code: 'too_large' })
})

test.each([
  ['not JSON', '{'],
  ['an unknown kind', '{"kind":"run_code"}'],
  ['an unknown key', JSON.stringify({ kind: 'chunk_unavailable', hash, more: 1 })],
  ['a hello that says too little', '{"kind":"hello"}'],
  ['a piece longer than allowed', JSON.stringify({ kind: 'piece_wanted', hash, offset: 0, length: LIMITS.pieceBytes + 1 })],
  ['a piece without payload', new ArrayBuffer(PIECE_HEADER_BYTES)],
  ['neither text nor bytes', 5]
])('%s is malformed', (_, data) => {
  expect((data instanceof ArrayBuffer ? readBulkFrame : readControlFrame)(data)).toEqual({ kind: 'bad_frame', code: 'malformed' })
})

test('what belongs on another channel is malformed', () => {
  const [text, bytes] = ['{"kind":"ping","id":1}', new ArrayBuffer(100)]
  for (const frame of [readControlFrame(bytes), readBulkFrame(text), readStageFrame(text)]) expect(frame).toEqual({ kind: 'bad_frame', code: 'malformed' })
})

test('no frame makes a reader throw', () => {
  const anything = fc.oneof(fc.string(), fc.uint8Array().map(bytes => bytes.slice().buffer), fc.json(), fc.anything())
  fc.assert(
    fc.property(anything, data => {
      expect(['message', 'hello', 'bad_frame']).toContain(readControlFrame(data).kind)
      expect(['piece', 'bad_frame']).toContain(readBulkFrame(data).kind)
      expect(['fragment', 'nothing', 'bad_frame']).toContain(readStageFrame(data).kind)
    })
  )
})
