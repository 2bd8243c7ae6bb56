/**
 * Stage frames cut for a data channel, whose messages stay small so that others are not held up behind them. Channels
 * keep order and lose nothing; a first byte of 1 marks the last fragment of a frame, 0 all others.
 */
import { LIMITS } from '../protocol/limits.ts'

const HEADER_BYTES = 1

export function* fragmentsOf(frame: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
  const payload = LIMITS.pieceBytes - HEADER_BYTES
  for (let start = 0; start === 0 || start < frame.byteLength; start += payload) {
    const part = frame.subarray(start, start + payload)
    const fragment = new Uint8Array(HEADER_BYTES + part.byteLength)
    fragment[0] = start + payload >= frame.byteLength ? 1 : 0
    fragment.set(part, HEADER_BYTES)
    yield fragment
  }
}

/** Fragments of the frame that is arriving on one channel. */
export interface FrameAssembly {
  parts: Uint8Array[]
  bytes: number
}

export function createFrameAssembly(): FrameAssembly {
  return { parts: [], bytes: 0 }
}

export type Assembled = { readonly kind: 'incomplete' } | { readonly kind: 'frame'; readonly frame: Uint8Array<ArrayBuffer> } | { readonly kind: 'refused'; readonly code: 'malformed' | 'too_large' }

/** Takes the next fragment. After a refusal the channel is of no more use. */
export function assemble(assembly: FrameAssembly, fragment: Uint8Array): Assembled {
  const mark = fragment[0]
  if (fragment.byteLength > LIMITS.pieceBytes || (mark !== 0 && mark !== 1)) return { kind: 'refused', code: 'malformed' }
  const part = fragment.subarray(HEADER_BYTES)
  assembly.bytes += part.byteLength
  if (assembly.bytes > LIMITS.stageFrameBytes) return { kind: 'refused', code: 'too_large' }
  assembly.parts.push(part)
  if (mark === 0) return { kind: 'incomplete' }
  const frame = new Uint8Array(assembly.bytes)
  let at = 0
  for (const arrived of assembly.parts) {
    frame.set(arrived, at)
    at += arrived.byteLength
  }
  Object.assign(assembly, createFrameAssembly())
  return { kind: 'frame', frame }
}
