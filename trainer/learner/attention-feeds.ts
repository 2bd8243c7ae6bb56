import * as ort from 'onnxruntime-node'
import type { DecoderConfig } from '#shared/model/config.ts'
import type { TokenSequence } from './learner-backend.ts'
import { forEachToken, type MicroBatch } from './micro-batch.ts'
import type { PromptPack } from './prompt-pack.ts'

/** Low enough that its exponential is 0 in float32 next to any score, and finite so that no difference is NaN. */
const MASKED = -1e9

/** The inputs of `attentionInputs` (shared/graph/decoder-layer.ts) for one micro-batch; every layer takes the same ones. */
export function attentionFeeds(config: DecoderConfig, sequences: readonly TokenSequence[], batch: MicroBatch): Record<string, ort.Tensor> {
  const { packs, length } = batch
  const positions = new BigInt64Array(packs.length * length)
  forEachToken(sequences, batch, (_, row, position) => (positions[row] = BigInt(position)))
  const group = config.heads / config.kvHeads
  const mask = new Float32Array(packs.length * group * length * length).fill(MASKED)
  for (const [index, pack] of packs.entries()) {
    const size = group * length * length
    openCausally(mask.subarray(index * size, (index + 1) * size), pack, length)
  }
  return {
    sequences: scalar(packs.length),
    length: scalar(length),
    positions: new ort.Tensor('int64', positions, [packs.length, length]),
    mask: new ort.Tensor('float32', mask, [packs.length, 1, group * length, length])
  }
}

/** Opens the mask [group · length, length] of one pack; padding rows attend to themselves, so that no row is closed altogether. */
function openCausally(mask: Float32Array, { promptLength, starts }: PromptPack, length: number): void {
  const opened = length * length
  for (let row = 0; row < promptLength; row++) mask.fill(0, row * length, row * length + row + 1)
  for (let member = 0; member + 1 < starts.length; member++) {
    for (let row = starts[member]!; row < starts[member + 1]!; row++) {
      mask.fill(0, row * length, row * length + promptLength)
      mask.fill(0, row * length + starts[member]!, row * length + row + 1)
    }
  }
  for (let row = starts.at(-1)!; row < length; row++) mask[row * length + row] = 0
  for (let copy = opened; copy < mask.length; copy += opened) mask.copyWithin(copy, 0, opened)
}

function scalar(value: number): ort.Tensor {
  return new ort.Tensor('int64', BigInt64Array.of(BigInt(value)), [1])
}
