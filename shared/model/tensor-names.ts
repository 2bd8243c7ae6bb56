import type { DecoderConfig } from './config.ts'
import { elementCount } from './tensor.ts'

/** The contiguous layers [start, end) that one engine holds, and whether it also embeds tokens and has the head. */
export interface ModelSlice {
  readonly start: number
  readonly end: number
  readonly embed: boolean
  readonly head: boolean
}

export interface TensorSpec {
  /** The Hugging Face name. */
  readonly name: string
  /** Linear weights are [out, in]. */
  readonly shape: readonly number[]
}

/** `embed`, `layer.i` or `head`: the unit in which weights travel. */
export interface TensorGroup {
  readonly name: string
  readonly tensors: readonly TensorSpec[]
}

/** The linear maps of a layer, which are also the ones that LoRA can adapt. */
export const PROJECTIONS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const

export type Projection = (typeof PROJECTIONS)[number]

export const EMBED_TENSOR = 'model.embed_tokens.weight'
export const FINAL_NORM_TENSOR = 'model.norm.weight'
const LM_HEAD_TENSOR = 'lm_head.weight'

export type LayerNorm = 'input_layernorm' | 'post_attention_layernorm' | 'self_attn.q_norm' | 'self_attn.k_norm'

export function normTensor(layer: number, norm: LayerNorm): string {
  return `model.layers.${layer}.${norm}.weight`
}

/** @returns e.g. `model.layers.0.self_attn.q_proj`, to which `.weight` and the LoRA suffixes are added */
export function projectionPath(layer: number, projection: Projection): string {
  const block = projection === 'gate_proj' || projection === 'up_proj' || projection === 'down_proj' ? 'mlp' : 'self_attn'
  return `model.layers.${layer}.${block}.${projection}`
}

export function projectionTensor(layer: number, projection: Projection): string {
  return `${projectionPath(layer, projection)}.weight`
}

/** @returns [out, in] */
export function projectionShape(config: DecoderConfig, projection: Projection): readonly [number, number] {
  const { hiddenSize, intermediateSize } = config
  const queries = config.heads * config.headDim
  const keys = config.kvHeads * config.headDim
  switch (projection) {
    case 'q_proj':
      return [queries, hiddenSize]
    case 'k_proj':
    case 'v_proj':
      return [keys, hiddenSize]
    case 'o_proj':
      return [hiddenSize, queries]
    case 'gate_proj':
    case 'up_proj':
      return [intermediateSize, hiddenSize]
    case 'down_proj':
      return [hiddenSize, intermediateSize]
  }
}

/** The tensor that turns a hidden state into logits, [vocab, hidden]. */
export function headTensor(config: DecoderConfig): string {
  return config.tiedEmbeddings ? EMBED_TENSOR : LM_HEAD_TENSOR
}

export function embedGroup(config: DecoderConfig): TensorGroup {
  return { name: 'embed', tensors: [{ name: EMBED_TENSOR, shape: [config.vocabSize, config.hiddenSize] }] }
}

export function layerGroup(config: DecoderConfig, layer: number): TensorGroup {
  const norms: TensorSpec[] = [
    { name: normTensor(layer, 'input_layernorm'), shape: [config.hiddenSize] },
    { name: normTensor(layer, 'post_attention_layernorm'), shape: [config.hiddenSize] }
  ]
  if (config.qkNorm) {
    norms.push(
      { name: normTensor(layer, 'self_attn.q_norm'), shape: [config.headDim] },
      { name: normTensor(layer, 'self_attn.k_norm'), shape: [config.headDim] }
    )
  }
  const linears = PROJECTIONS.map(projection => ({
    name: projectionTensor(layer, projection),
    shape: projectionShape(config, projection)
  }))
  return { name: `layer.${layer}`, tensors: [...norms, ...linears] }
}

/** The final norm and, when the embeddings are not tied, `lm_head.weight`. */
export function headGroup(config: DecoderConfig): TensorGroup {
  const tensors: TensorSpec[] = [{ name: FINAL_NORM_TENSOR, shape: [config.hiddenSize] }]
  if (!config.tiedEmbeddings) tensors.push({ name: LM_HEAD_TENSOR, shape: [config.vocabSize, config.hiddenSize] })
  return { name: 'head', tensors }
}

export function wholeModel(config: DecoderConfig): ModelSlice {
  return { start: 0, end: config.layers, embed: true, head: true }
}

/** The groups that a slice needs; a head with tied embeddings needs `embed` too. */
export function sliceGroups(config: DecoderConfig, slice: ModelSlice): TensorGroup[] {
  const groups: TensorGroup[] = []
  if (slice.embed || (slice.head && config.tiedEmbeddings)) groups.push(embedGroup(config))
  for (let layer = slice.start; layer < slice.end; layer++) groups.push(layerGroup(config, layer))
  if (slice.head) groups.push(headGroup(config))
  return groups
}

/** Every tensor of a slice, by default of the whole model. */
export function sliceTensors(config: DecoderConfig, slice: ModelSlice = wholeModel(config)): TensorSpec[] {
  return sliceGroups(config, slice).flatMap(group => group.tensors)
}

export function parameterCount(config: DecoderConfig): number {
  return sliceTensors(config).reduce((total, tensor) => total + elementCount(tensor.shape), 0)
}
