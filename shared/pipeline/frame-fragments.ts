/**
 * Stage frames cut for a data channel, whose messages stay small so that others are not held up behind them. Channels
 * keep order and lose nothing. Header: u8, 1 for the last fragment of a frame and 0 for all others · u32 pipeline,
 * little-endian, because a link carries the frames of every pipeline in which both tabs have a place.
 */
import { LIMITS } from '../protocol/limits.ts'
import type { PipelineId } from './stage-work.ts'

const HEADER_BYTES = 5

export function* fragmentsOf(pipeline: PipelineId, frame: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
  const payload = LIMITS.stageFragmentBytes - HEADER_BYTES
  for (let start = 0; start === 0 || start < frame.byteLength; start += payload) {
    const part = frame.subarray(start, start + payload)
    const fragment = new Uint8Array(HEADER_BYTES + part.byteLength)
    fragment[0] = start + payload >= frame.byteLength ? 1 : 0
    new DataView(fragment.buffer).setUint32(1, pipeline, true)
    fragment.set(part, HEADER_BYTES)
    yield fragment
  }
}

/** @returns undefined when the fragment is too short to say */
export function pipelineOf(fragment: Uint8Array): PipelineId | undefined {
  return fragment.byteLength < HEADER_BYTES ? undefined : new DataView(fragment.buffer, fragment.byteOffset).getUint32(1, true)
}

/** Fragments of the frame that is arriving for one pipeline from one tab. */
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
  if (fragment.byteLength < HEADER_BYTES || fragment.byteLength > LIMITS.stageFragmentBytes || (mark !== 0 && mark !== 1)) return { kind: 'refused', code: 'malformed' }
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
