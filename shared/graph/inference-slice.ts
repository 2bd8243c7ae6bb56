/**
 * The generation graph of the layers [start, end): GroupQueryAttention over a static key-value cache, which is an input.
 * What it outputs of the cache is all of it, where onnxruntime can write it in place, or else the new tokens'. Every operator in it has a CPU, WASM and WebGPU kernel in onnxruntime 1.30; its Attention,
 * LogSoftmax and FusedMatMul operators have no WebGPU kernel and must stay out.
 */
import type { DecoderConfig } from '../model/config.ts'
import { loraScale, loraTensor, loraTensors, type LoraConfig } from '../model/lora.ts'
import { elementCount, type Tensors } from '../model/tensor.ts'
import { EMBED_TENSOR, FINAL_NORM_TENSOR, headTensor, normTensor, projectionTensor, sliceTensors, type LayerNorm, type ModelSlice, type Projection } from '../model/tensor-names.ts'
import { GraphBuilder, GraphError, type Value } from './graph-builder.ts'

/**
 * Names of the graph's inputs and outputs. B rows of S tokens are flattened to N = B·S; C is the cache's capacity in tokens.
 * Beside these, every base weight (unless embedded) and every adapter tensor of the slice is an input of its own name.
 */
export const SLICE_PORTS = {
  /** int32 [N]; only with `embed`. */
  tokens: 'tokens',
  /** float32 [N, hidden]; the input without `embed`, the output without `head`. */
  hidden: 'hidden',
  hiddenOut: 'hidden_out',
  /** int64 [3] = B, S, -1. */
  sequenceShape: 'sequence_shape',
  /** int32 [B]: tokens in the cache after this run, minus one. */
  lastPosition: 'seqlens_k',
  /** int32 [1]: the largest number of tokens in the cache after this run. */
  totalLength: 'total_sequence_length',
  /** int32 [R]: the flattened positions whose logits are wanted; only with `head`. */
  logitRows: 'logit_rows',
  /** float32 [R, vocab] */
  logits: 'logits',
  /** float32 [B, kvHeads, C, headDim], keys after rotation */
  pastKey: (layer: number): string => `past_key.${layer}`,
  pastValue: (layer: number): string => `past_value.${layer}`,
  /** The past ones with the new tokens' in them. */
  presentKey: (layer: number): string => `present_key.${layer}`,
  presentValue: (layer: number): string => `present_value.${layer}`,
  /** int64 [B, kvHeads, S, 1]: where in the cache the new tokens are; only with `outputs: 'new tokens'`. */
  newPositions: 'new_positions',
  /** float32 [B, kvHeads, S, headDim] */
  newKey: (layer: number): string => `new_key.${layer}`,
  newValue: (layer: number): string => `new_value.${layer}`
} as const

export interface InferenceSliceOptions {
  /** Adapter shapes; left out when the run trains all parameters. */
  readonly lora?: LoraConfig
  /** Base weights to embed as initializers; left out, they are graph inputs. */
  readonly embeddedWeights?: Tensors
  /** What is returned of the keys and values: all of them (present…, the default), or those of the new tokens (new…). */
  readonly outputs?: 'whole cache' | 'new tokens'
}

/** @returns the bytes of an ONNX model; see SLICE_PORTS for its interface */
export function buildInferenceSlice(config: DecoderConfig, slice: ModelSlice, options: InferenceSliceOptions = {}): Uint8Array<ArrayBuffer> {
  return new SliceGraph(config, slice, options).build()
}

interface Cache {
  readonly lastPosition: Value
  readonly totalLength: Value
  /** undefined when the whole cache is an output. */
  readonly newPositions: Value | undefined
  readonly cos: Value
  readonly sin: Value
}

class SliceGraph {
  readonly #graph: GraphBuilder
  readonly #config: DecoderConfig
  readonly #slice: ModelSlice
  readonly #lora: LoraConfig | undefined
  readonly #outputs: InferenceSliceOptions['outputs']
  readonly #parameters = new Map<string, Value>()
  readonly #sequenceShape: Value

  constructor(config: DecoderConfig, slice: ModelSlice, options: InferenceSliceOptions) {
    const graph = new GraphBuilder('inference_slice')
    this.#graph = graph
    this.#config = config
    this.#slice = slice
    this.#lora = options.lora
    this.#outputs = options.outputs
    for (const { name, shape } of sliceTensors(config, slice)) {
      const embedded = options.embeddedWeights === undefined ? undefined : dataOf(options.embeddedWeights, name, shape)
      this.#parameters.set(name, embedded === undefined ? graph.input(name, 'float32', shape) : graph.initializer(name, shape, embedded))
    }
    if (options.lora !== undefined) {
      for (const { name, shape } of loraTensors(config, options.lora, slice.start, slice.end)) {
        this.#parameters.set(name, graph.input(name, 'float32', shape))
      }
    }
    this.#sequenceShape = graph.input(SLICE_PORTS.sequenceShape, 'int64', [3])
  }

  build(): Uint8Array<ArrayBuffer> {
    const graph = this.#graph
    const { start, end, embed, head } = this.#slice
    let hidden = embed
      ? graph.gather(this.#parameter(EMBED_TENSOR), graph.input(SLICE_PORTS.tokens, 'int32', ['N']))
      : graph.input(SLICE_PORTS.hidden, 'float32', ['N', this.#config.hiddenSize])
    const { cos, sin } = rotaryTables(this.#config)
    const tableShape = [this.#config.contextLength, this.#config.headDim / 2]
    const newTokens = ['B', this.#config.kvHeads, 'S', 1]
    const cache: Cache = {
      lastPosition: graph.input(SLICE_PORTS.lastPosition, 'int32', ['B']),
      totalLength: graph.input(SLICE_PORTS.totalLength, 'int32', [1]),
      newPositions: this.#outputs === 'new tokens' ? graph.input(SLICE_PORTS.newPositions, 'int64', newTokens) : undefined,
      cos: graph.initializer('rotary_cos', tableShape, cos),
      sin: graph.initializer('rotary_sin', tableShape, sin)
    }
    for (let layer = start; layer < end; layer++) hidden = this.#layer(hidden, layer, cache)
    if (head) {
      const wanted = graph.gather(hidden, graph.input(SLICE_PORTS.logitRows, 'int32', ['R']))
      const logits = graph.gemm(this.#norm(wanted, FINAL_NORM_TENSOR), this.#parameter(headTensor(this.#config)), { transB: true })
      graph.output(SLICE_PORTS.logits, logits)
    } else {
      graph.output(SLICE_PORTS.hiddenOut, hidden)
    }
    return graph.build()
  }

  #layer(hidden: Value, layer: number, cache: Cache): Value {
    const graph = this.#graph
    const { heads, kvHeads, headDim } = this.#config
    const normed = this.#norm(hidden, normTensor(layer, 'input_layernorm'))
    const query = this.#heads(this.#linear(normed, layer, 'q_proj'), layer, heads, 'self_attn.q_norm')
    const key = this.#heads(this.#linear(normed, layer, 'k_proj'), layer, kvHeads, 'self_attn.k_norm')
    const value = graph.reshape(this.#linear(normed, layer, 'v_proj'), ['B', 'S', kvHeads * headDim], this.#sequenceShape)
    const attended = this.#attend(query, key, value, layer, cache)
    const mixed = graph.reshape(attended, ['N', heads * headDim])
    const afterAttention = this.#linear(mixed, layer, 'o_proj', hidden)
    const input = this.#norm(afterAttention, normTensor(layer, 'post_attention_layernorm'))
    const gate = this.#linear(input, layer, 'gate_proj')
    const [activated] = graph.node('QuickGelu', [gate], [{ type: gate.type, shape: gate.shape }], { alpha: { float: 1 } }, 'com.microsoft')
    const gated = graph.mul(activated!, this.#linear(input, layer, 'up_proj'))
    return this.#linear(gated, layer, 'down_proj', afterAttention)
  }

  #attend(query: Value, key: Value, value: Value, layer: number, cache: Cache): Value {
    const { heads, kvHeads, headDim } = this.#config
    const cacheShape = ['B', kvHeads, 'C', headDim]
    const pastKey = this.#graph.input(SLICE_PORTS.pastKey(layer), 'float32', cacheShape)
    const pastValue = this.#graph.input(SLICE_PORTS.pastValue(layer), 'float32', cacheShape)
    const [attended, presentKey, presentValue] = this.#graph.node(
      'GroupQueryAttention',
      [query, key, value, pastKey, pastValue, cache.lastPosition, cache.totalLength, cache.cos, cache.sin],
      [
        { type: 'float32', shape: ['B', 'S', heads * headDim] },
        { type: 'float32', shape: cacheShape, name: SLICE_PORTS.presentKey(layer) },
        { type: 'float32', shape: cacheShape, name: SLICE_PORTS.presentValue(layer) }
      ],
      { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1 },
      'com.microsoft'
    )
    const { newPositions } = cache
    for (const [present, name] of [[presentKey!, SLICE_PORTS.newKey(layer)], [presentValue!, SLICE_PORTS.newValue(layer)]] as const) {
      this.#graph.expose(newPositions === undefined ? present : this.#newTokens(present, newPositions, name))
    }
    return attended!
  }

  #newTokens(present: Value, positions: Value, name: string): Value {
    const { kvHeads, headDim } = this.#config
    const [gathered] = this.#graph.node('GatherND', [present, positions], [{ type: 'float32', shape: ['B', kvHeads, 'S', headDim], name }], { batch_dims: 2 })
    return gathered!
  }

  /** [N, heads · headDim] → [B, S, heads · headDim], each head normalised where the model does so. */
  #heads(rows: Value, layer: number, heads: number, norm: LayerNorm): Value {
    const { headDim, qkNorm } = this.#config
    const scaled = qkNorm ? this.#norm(this.#graph.reshape(rows, ['heads', headDim]), normTensor(layer, norm)) : rows
    return this.#graph.reshape(scaled, ['B', 'S', heads * headDim], this.#sequenceShape)
  }

  /** x · Wᵀ + (α/r) · (x · Aᵀ) · Bᵀ + residual */
  #linear(x: Value, layer: number, projection: Projection, residual?: Value): Value {
    const weight = this.#parameter(projectionTensor(layer, projection))
    const base = this.#graph.gemm(x, weight, { transB: true, ...(residual !== undefined && { add: residual }) })
    if (this.#lora === undefined || !this.#lora.targets.includes(projection)) return base
    const inner = this.#graph.gemm(x, this.#parameter(loraTensor(layer, projection, 'A')), { transB: true })
    return this.#graph.gemm(inner, this.#parameter(loraTensor(layer, projection, 'B')), { transB: true, alpha: loraScale(this.#lora), add: base })
  }

  #norm(x: Value, weight: string): Value {
    const [scaled] = this.#graph.node('SimplifiedLayerNormalization', [x, this.#parameter(weight)], [{ type: x.type, shape: x.shape }], {
      axis: -1,
      epsilon: { float: this.#config.rmsNormEpsilon }
    })
    return scaled!
  }

  #parameter(name: string): Value {
    const value = this.#parameters.get(name)
    if (value === undefined) throw new GraphError(`the slice has no tensor ${name}`)
    return value
  }
}

function dataOf(weights: Tensors, name: string, shape: readonly number[]): Float32Array {
  const tensor = weights.get(name)
  if (tensor === undefined || tensor.data.length !== elementCount(shape)) throw new GraphError(`weight ${name} is missing or not [${shape}]`)
  return tensor.data
}

/** cos and sin of position · θ^(−2i / headDim), each [contextLength, headDim / 2] (Su et al. 2021, RoFormer, §3.2.2). */
export function rotaryTables(config: DecoderConfig): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const half = config.headDim / 2
  const cos = new Float32Array(config.contextLength * half)
  const sin = new Float32Array(config.contextLength * half)
  for (let position = 0; position < config.contextLength; position++) {
    for (let pair = 0; pair < half; pair++) {
      const angle = position * config.ropeTheta ** (-pair / half)
      cos[position * half + pair] = Math.cos(angle)
      sin[position * half + pair] = Math.sin(angle)
    }
  }
  return { cos, sin }
}
