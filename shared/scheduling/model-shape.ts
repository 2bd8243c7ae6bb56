import type { DecoderConfig } from '../model/config.ts'
import { loraLayerGroup, type LoraConfig } from '../model/lora.ts'
import { elementCount } from '../model/tensor.ts'
import { embedGroup, headGroup, layerGroup, type TensorGroup } from '../model/tensor-names.ts'

/** What the parts of a model weigh in the memory of the tab that holds them. */
export interface ModelShape {
  readonly layers: number
  /** One layer: base weights, adapter, keys and values. */
  readonly layerBytes: number
  readonly embeddingBytes: number
  /** The final norm and the matrix that makes logits. */
  readonly headBytes: number
  /** Both in one tab; less than the sum when the head multiplies by the embedding matrix. */
  readonly embeddingAndHeadBytes: number
}

export interface SliceUse {
  /** Sequences that a stage keeps at once. */
  readonly rows: number
  /** Tokens of keys and values kept for each. */
  readonly contextTokens: number
  /** Left out when the run trains every parameter. */
  readonly lora?: LoraConfig
}

/** Engines compute and keep everything in float32. */
const BYTES_PER_ELEMENT = 4

export function modelShape(config: DecoderConfig, { rows, contextTokens, lora }: SliceUse): ModelShape {
  const weights = bytesOf(layerGroup(config, 0))
  const adapter = lora === undefined ? 0 : bytesOf(loraLayerGroup(config, lora, 0))
  const keysAndValues = 2 * rows * contextTokens * config.kvHeads * config.headDim * BYTES_PER_ELEMENT
  const embeddingBytes = bytesOf(embedGroup(config))
  const headAlone = bytesOf(headGroup(config))
  return {
    layers: config.layers,
    layerBytes: weights + adapter + keysAndValues,
    embeddingBytes,
    headBytes: headAlone + (config.tiedEmbeddings ? embeddingBytes : 0),
    embeddingAndHeadBytes: headAlone + embeddingBytes
  }
}

function bytesOf(group: TensorGroup): number {
  return group.tensors.reduce((total, { shape }) => total + elementCount(shape), 0) * BYTES_PER_ELEMENT
}
