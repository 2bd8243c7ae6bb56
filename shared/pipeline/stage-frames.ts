/**
 * Works and drawn tokens on their way from stage to stage, as bytes. All numbers are little-endian.
 *
 *   u8 kind · u8 encoding of the payload · u16 rows · u32 micro-batch · u32 step · u32 version · u16 left · u16 entering · u16 steps · u16 zero
 *   left × u32 id
 *   entering × (u32 id · u16 prompt row · u16 most tokens · u16 drawn · u16 has a seed · 32 bytes seed · f64 temperature)
 *   prefill: rows × u16 length
 *   payload: hidden states as f32 or f16, or token ids as i32 with log-probabilities as f32
 */
import { floatToHalf, halfToFloat } from '../model/half-float.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { EnteringSequence, StageMessage } from './stage-work.ts'

/** `f16` halves the bytes and rounds; only where both ends agreed to it. */
export type HiddenEncoding = 'f32' | 'f16'

const KINDS = ['prefill', 'decode', 'drawn', 'end'] as const
const ENCODINGS = ['f32', 'f16'] as const
const HEADER_BYTES = 24
const ENTERING_BYTES = 52
const SEED_BYTES = 32
const TEMPERATURE_AT = 44

export type DecodedFrame = { readonly kind: 'ok'; readonly message: StageMessage } | { readonly kind: 'malformed'; readonly expected: string }

export function encodeStageFrame(message: StageMessage, encoding: HiddenEncoding): Uint8Array<ArrayBuffer> {
  if (message.kind === 'end') return endFrame(message.microBatch)
  const left = message.kind === 'drawn' ? [] : message.left
  const entering = message.kind === 'prefill' ? message.entering : []
  const lengths = message.kind === 'prefill' ? message.lengths : new Int32Array()
  const rows = message.kind === 'prefill' ? lengths.length : message.kind === 'decode' ? message.rows : message.tokens.length
  const payloadBytes = message.kind === 'drawn' ? 8 * rows : message.hidden.length * (encoding === 'f32' ? 4 : 2)
  const payloadStart = HEADER_BYTES + 4 * left.length + ENTERING_BYTES * entering.length + 2 * lengths.length
  const frame = new Uint8Array(payloadStart + payloadBytes)
  const view = new DataView(frame.buffer)
  view.setUint8(0, KINDS.indexOf(message.kind))
  view.setUint8(1, ENCODINGS.indexOf(encoding))
  view.setUint16(2, rows, true)
  for (const [index, value] of [message.microBatch, message.step, message.version].entries()) view.setUint32(4 + 4 * index, value, true)
  for (const [index, value] of [left.length, entering.length, message.kind === 'prefill' ? message.steps : 1].entries()) view.setUint16(16 + 2 * index, value, true)
  let at = HEADER_BYTES
  for (const id of left) at = putUint32(view, at, id)
  for (const sequence of entering) at = putEntering(view, at, sequence)
  for (const length of lengths) at = putUint16(view, at, length)
  if (message.kind === 'drawn') {
    for (const token of message.tokens) at = putUint32(view, at, token)
    for (const logProb of message.logProbs) {
      view.setFloat32(at, logProb, true)
      at += 4
    }
  } else if (encoding === 'f32') {
    for (const [index, value] of message.hidden.entries()) view.setFloat32(at + 4 * index, value, true)
  } else {
    for (const [index, value] of message.hidden.entries()) view.setUint16(at + 2 * index, floatToHalf(value), true)
  }
  return frame
}

/** Checks form and size, not whether the work follows from those before it. Never throws. */
export function decodeStageFrame(frame: Uint8Array, hiddenSize: number): DecodedFrame {
  if (frame.byteLength < HEADER_BYTES || frame.byteLength > LIMITS.stageFrameBytes) return malformed(`${HEADER_BYTES} to ${LIMITS.stageFrameBytes} bytes`)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const kind = KINDS[view.getUint8(0)]
  const encoding = ENCODINGS[view.getUint8(1)]
  if (kind === undefined || encoding === undefined || view.getUint16(22, true) !== 0) return malformed('a known kind and encoding')
  if (kind === 'end') return frame.byteLength === HEADER_BYTES ? { kind: 'ok', message: { kind, microBatch: view.getUint32(4, true) } } : malformed(`${HEADER_BYTES} bytes`)
  const rows = view.getUint16(2, true)
  const [leftCount, enteringCount, steps] = [view.getUint16(16, true), view.getUint16(18, true), view.getUint16(20, true)] as const
  if (rows < 1 || rows > LIMITS.rowsPerMicroBatch || steps < 1) return malformed(`1 to ${LIMITS.rowsPerMicroBatch} rows of at least one token`)
  if (leftCount > LIMITS.rowsPerMicroBatch || enteringCount > LIMITS.rowsPerMicroBatch) return malformed(`at most ${LIMITS.rowsPerMicroBatch} sequences`)
  if (kind !== 'prefill' && (enteringCount > 0 || steps > 1)) return malformed('sequences that enter with a prefill')
  if (kind === 'drawn' && leftCount > 0) return malformed('sequences that leave with a work')
  if (kind === 'prefill' && enteringCount < rows) return malformed('a sequence for each prompt')
  const lengthBytes = kind === 'prefill' ? 2 * rows : 0
  const payloadStart = HEADER_BYTES + 4 * leftCount + ENTERING_BYTES * enteringCount + lengthBytes
  const payloadBytes = kind === 'drawn' ? 8 * rows : rows * steps * hiddenSize * (encoding === 'f32' ? 4 : 2)
  if (frame.byteLength !== payloadStart + payloadBytes) return malformed(`${payloadStart + payloadBytes} bytes for ${rows} rows of ${steps}`)
  const round = { microBatch: view.getUint32(4, true), step: view.getUint32(8, true), version: view.getUint32(12, true) }
  if (kind === 'drawn') return { kind: 'ok', message: { kind, ...round, tokens: int32s(view, payloadStart, rows), logProbs: floats(view, payloadStart + 4 * rows, rows) } }
  const left = Array.from({ length: leftCount }, (_, index) => view.getUint32(HEADER_BYTES + 4 * index, true))
  const hidden = encoding === 'f32' ? floats(view, payloadStart, rows * steps * hiddenSize) : halves(view, payloadStart, rows * steps * hiddenSize)
  if (kind === 'decode') return { kind: 'ok', message: { kind, ...round, left, rows, hidden } }
  const enteringStart = HEADER_BYTES + 4 * leftCount
  const entering = Array.from({ length: enteringCount }, (_, index) => enteringAt(view, enteringStart + ENTERING_BYTES * index))
  const lengths = Int32Array.from({ length: rows }, (_, row) => view.getUint16(payloadStart - lengthBytes + 2 * row, true))
  if (lengths.some(length => length < 1 || length > steps)) return malformed(`prompts of 1 to ${steps} tokens`)
  if (entering.some(({ promptRow }) => promptRow >= rows)) return malformed('sequences of the prompts that are there')
  if (entering.some(({ temperature }) => !(temperature > 0 && temperature < Infinity))) return malformed('temperatures above 0')
  return { kind: 'ok', message: { kind, ...round, left, entering, lengths, steps, hidden } }
}

function endFrame(microBatch: number): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(HEADER_BYTES)
  frame[0] = KINDS.indexOf('end')
  new DataView(frame.buffer).setUint32(4, microBatch, true)
  return frame
}

function malformed(expected: string): DecodedFrame {
  return { kind: 'malformed', expected }
}

function putUint32(view: DataView, at: number, value: number): number {
  view.setUint32(at, value, true)
  return at + 4
}

function putUint16(view: DataView, at: number, value: number): number {
  view.setUint16(at, value, true)
  return at + 2
}

function putEntering(view: DataView, at: number, { id, promptRow, mostTokens, drawn, seed, temperature }: EnteringSequence): number {
  view.setUint32(at, id, true)
  for (const [index, value] of [promptRow, mostTokens, drawn, seed === null ? 0 : 1].entries()) view.setUint16(at + 4 + 2 * index, value, true)
  if (seed !== null) for (let index = 0; index < SEED_BYTES; index++) view.setUint8(at + 12 + index, Number.parseInt(seed.slice(2 * index, 2 * index + 2), 16))
  view.setFloat64(at + TEMPERATURE_AT, temperature, true)
  return at + ENTERING_BYTES
}

function enteringAt(view: DataView, at: number): EnteringSequence {
  const [promptRow, mostTokens, drawn, seeded] = [0, 1, 2, 3].map(index => view.getUint16(at + 4 + 2 * index, true)) as [number, number, number, number]
  let seed = ''
  for (let index = 0; index < SEED_BYTES; index++) seed += view.getUint8(at + 12 + index).toString(16).padStart(2, '0')
  return { id: view.getUint32(at, true), promptRow, mostTokens, drawn, seed: seeded === 0 ? null : seed, temperature: view.getFloat64(at + TEMPERATURE_AT, true) }
}

function int32s(view: DataView, at: number, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, index) => view.getInt32(at + 4 * index, true))
}

function floats(view: DataView, at: number, count: number): Float32Array {
  const values = new Float32Array(count)
  for (let index = 0; index < count; index++) values[index] = view.getFloat32(at + 4 * index, true)
  return values
}

function halves(view: DataView, at: number, count: number): Float32Array {
  const values = new Float32Array(count)
  for (let index = 0; index < count; index++) values[index] = halfToFloat(view.getUint16(at + 2 * index, true))
  return values
}
