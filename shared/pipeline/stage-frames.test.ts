import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { halfToFloat, floatToHalf } from '../model/half-float.ts'
import { LIMITS } from '../protocol/limits.ts'
import { runs } from '../testing/property-runs.ts'
import { decodeStageFrame, encodeStageFrame } from './stage-frames.ts'
import type { DrawnTokens, EndOfMicroBatch, PassedWork } from './stage-work.ts'

const HIDDEN = 6
const uint = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const round = { microBatch: uint, step: uint, version: uint }
const floats = (length: number) => fc.array(fc.float({ noNaN: true }), { minLength: length, maxLength: length }).map(values => Float32Array.from(values))
const seed = fc.option(fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 64, maxLength: 64 }).map(digits => digits.map(digit => digit.toString(16)).join('')))
const left = fc.array(uint, { maxLength: 5 })

const prefill: fc.Arbitrary<PassedWork> = fc.record({ rows: fc.integer({ min: 1, max: 4 }), steps: fc.integer({ min: 1, max: 5 }) }).chain(({ rows, steps }) =>
  fc.record({
    kind: fc.constant('prefill' as const),
    ...round,
    left,
    entering: fc.array(
      fc.record({ id: uint, promptRow: fc.nat(rows - 1), mostTokens: fc.nat(65_535), drawn: fc.nat(65_535), seed, temperature: fc.double({ min: 0.01, max: 10, noNaN: true }) }),
      { minLength: rows, maxLength: 2 * rows }
    ),
    lengths: fc.array(fc.integer({ min: 1, max: steps }), { minLength: rows, maxLength: rows }).map(lengths => Int32Array.from(lengths)),
    steps: fc.constant(steps),
    hidden: floats(rows * steps * HIDDEN)
  })
)
const decode: fc.Arbitrary<PassedWork> = fc.integer({ min: 1, max: 5 }).chain(rows => fc.record({ kind: fc.constant('decode' as const), ...round, left, rows: fc.constant(rows), hidden: floats(rows * HIDDEN) }))
const drawn: fc.Arbitrary<DrawnTokens> = fc.integer({ min: 1, max: 5 }).chain(rows =>
  fc.record({ kind: fc.constant('drawn' as const), ...round, tokens: fc.array(fc.nat(), { minLength: rows, maxLength: rows }).map(tokens => Int32Array.from(tokens)), logProbs: floats(rows) })
)

const end: fc.Arbitrary<EndOfMicroBatch> = fc.record({ kind: fc.constant('end' as const), microBatch: uint })

test('what is encoded in f32 is decoded bit for bit', () => {
  fc.assert(
    fc.property(fc.oneof(prefill, decode, drawn, end), message => {
      expect(decodeStageFrame(encodeStageFrame(message, 'f32'), HIDDEN)).toEqual({ kind: 'ok', message })
    })
  )
})

test('in f16 hidden states are rounded once, nothing else is, and half the bytes travel', () => {
  fc.assert(
    fc.property(fc.oneof(prefill, decode), message => {
      const frame = encodeStageFrame(message, 'f16')
      expect(decodeStageFrame(frame, HIDDEN)).toEqual({ kind: 'ok', message: { ...message, hidden: message.hidden.map(value => halfToFloat(floatToHalf(value))) } })
      expect(encodeStageFrame(message, 'f32').byteLength - frame.byteLength).toBe(2 * message.hidden.length)
    })
  )
})

test('no frame makes the decoder throw, read beyond the end or return something malformed', () => {
  fc.assert(
    fc.property(fc.oneof(prefill, decode, drawn, end), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }), fc.integer({ min: -9, max: 9 }), (message, changes, resize) => {
      const original = encodeStageFrame(message, 'f32')
      const frame = new Uint8Array(Math.max(0, original.byteLength + resize))
      frame.set(original.subarray(0, frame.byteLength))
      for (const [at, value] of changes) if (frame.byteLength > 0) frame[at % Math.min(frame.byteLength, 80)] = value
      const decoded = decodeStageFrame(frame, HIDDEN)
      if (decoded.kind === 'malformed' || decoded.message.kind === 'drawn' || decoded.message.kind === 'end') return
      const work = decoded.message
      const rows = work.kind === 'prefill' ? work.lengths.length : work.rows
      expect(work.hidden.length).toBe(rows * (work.kind === 'prefill' ? work.steps : 1) * HIDDEN)
      expect(work.kind === 'prefill' && work.entering.some(({ promptRow, temperature }) => promptRow >= rows || !(temperature > 0))).toBe(false)
    }),
    runs(2000)
  )
})

test('what is too large, too small, or of no known kind is malformed and says what was expected', () => {
  const frame = encodeStageFrame({ kind: 'decode', microBatch: 1, step: 0, version: 0, left: [], rows: 1, hidden: new Float32Array(HIDDEN) }, 'f32')
  expect(decodeStageFrame(frame.subarray(0, 20), HIDDEN)).toEqual({ kind: 'malformed', expected: `24 to ${LIMITS.stageFrameBytes} bytes` })
  expect(decodeStageFrame(frame, HIDDEN + 1)).toMatchObject({ kind: 'malformed', expected: '52 bytes for 1 rows of 1' })
  expect(decodeStageFrame(frame.with(0, 9), HIDDEN)).toMatchObject({ kind: 'malformed', expected: 'a known kind and encoding' })
  expect(decodeStageFrame(frame.with(3, 255), HIDDEN)).toMatchObject({ kind: 'malformed', expected: `1 to ${LIMITS.rowsPerMicroBatch} rows of at least one token` })
})
