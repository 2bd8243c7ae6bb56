/**
 * One decoder layer (Qwen3 or Llama) in differentiable operators. Hidden states are rows [sequences · length, hidden]. Who attends to
 * whom, and where a token stands, are inputs: a sequence may hold a prompt with several completions, and padding.
 */
import type { DecoderConfig } from '../model/config.ts'
import { loraLayerGroup, loraTensor, type LoraConfig } from '../model/lora.ts'
import { layerGroup, normTensor, projectionTensor, type LayerNorm, type Projection, type TensorGroup } from '../model/tensor-names.ts'
import { GraphError, type GraphBuilder, type Value } from './graph-builder.ts'
import { rotaryTables } from './inference-slice.ts'

/** The inputs that every layer of a batch shares. */
export interface AttentionInputs {
  /** int64 [1] each: what the rows are cut into. */
  readonly sequences: Value
  readonly length: Value
  /** int64 [sequences, length]: for the rotary embedding. */
  readonly positions: Value
  /** [sequences, 1, heads per kv head · length, length]: 0 where a query may look, a large negative number where not. */
  readonly mask: Value
  /** Constants [context, head_dim / 2]. */
  readonly cos: Value
  readonly sin: Value
}

/** Names of a layer's parameters are relative to the layer: without `model.layers.<i>.`. */
export type LayerParameters = ReadonlyMap<string, Value>

/** @returns e.g. `self_attn.q_proj.lora_A.weight`, the same for every layer */
export function withinLayer(name: string): string {
  return name.replace(/^model\.layers\.\d+\./, '')
}

export function attentionInputs(graph: GraphBuilder, config: DecoderConfig): AttentionInputs {
  const tables = rotaryTables(config)
  const tableShape = [config.contextLength, config.headDim / 2]
  return {
    sequences: graph.input('sequences', 'int64', [1]),
    length: graph.input('length', 'int64', [1]),
    positions: graph.input('positions', 'int64', ['sequences', 'length']),
    mask: graph.input('mask', 'float32', ['sequences', 1, 'queries', 'length']),
    cos: graph.initializer('rotary_cos', tableShape, tables.cos),
    sin: graph.initializer('rotary_sin', tableShape, tables.sin)
  }
}

/** Declares the base weights of a layer as graph inputs. */
export function weightInputs(graph: GraphBuilder, config: DecoderConfig): LayerParameters {
  return groupInputs(graph, layerGroup(config, 0))
}

/** Declares the A [rank, in] and B [out, rank] matrices of a layer's adapter as graph inputs. */
export function adapterInputs(graph: GraphBuilder, config: DecoderConfig, lora: LoraConfig): LayerParameters {
  return groupInputs(graph, loraLayerGroup(config, lora, 0))
}

function groupInputs(graph: GraphBuilder, group: TensorGroup): LayerParameters {
  return new Map(
    group.tensors.map(({ name, shape }) => {
      const local = withinLayer(name)
      return [local, graph.input(local, 'float32', shape)]
    })
  )
}

/** Pre-norm attention and SwiGLU blocks with residuals (Touvron et al. 2023; Shazeer 2020; QK-norm of Qwen3). */
export class DecoderLayer {
  readonly #graph: GraphBuilder
  readonly #config: DecoderConfig
  readonly #parameters: LayerParameters
  readonly #attention: AttentionInputs
  readonly #loraScale: number

  /** @param parameters base weights, and adapter matrices where a projection is adapted */
  constructor(graph: GraphBuilder, config: DecoderConfig, parameters: LayerParameters, attention: AttentionInputs, loraScale: number) {
    this.#graph = graph
    this.#config = config
    this.#parameters = parameters
    this.#attention = attention
    this.#loraScale = loraScale
  }

  /** [rows, hidden] → [rows, hidden] */
  apply(hidden: Value): Value {
    return this.#feedForward(this.#selfAttention(hidden))
  }

  #selfAttention(hidden: Value): Value {
    const graph = this.#graph
    const { heads, kvHeads, headDim } = this.#config
    const { sequences, length, mask } = this.#attention
    const group = heads / kvHeads
    const normed = this.#norm(hidden, 'input_layernorm')
    const queries = this.#rotated(this.#linear(normed, 'q_proj'), heads, 'self_attn.q_norm')
    const keys = this.#split(this.#rotated(this.#linear(normed, 'k_proj'), kvHeads, 'self_attn.k_norm'), [kvHeads, headDim])
    const values = this.#split(this.#linear(normed, 'v_proj'), [kvHeads, headDim])
    // The queries that share a key head become rows of one matrix: no repeated keys, and their gradients sum by themselves.
    const grouped = graph.transpose(this.#split(queries, [kvHeads, group, headDim]), [0, 2, 3, 1, 4])
    const folded = graph.reshape(grouped, ['sequences', kvHeads, 'queries', headDim], graph.concat([sequences, graph.int64s([kvHeads, -1, headDim])], 0))
    const scores = graph.mul(graph.matmul(folded, graph.transpose(keys, [0, 2, 3, 1])), graph.scalar(1 / Math.sqrt(headDim)))
    const mixed = graph.matmul(graph.softmax(graph.add(scores, mask)), graph.transpose(values, [0, 2, 1, 3]))
    const unfolded = graph.reshape(
      mixed,
      ['sequences', kvHeads, group, 'length', headDim],
      graph.concat([sequences, graph.int64s([kvHeads, group]), length, graph.int64s([headDim])], 0)
    )
    const rows = graph.reshape(graph.transpose(unfolded, [0, 3, 1, 2, 4]), ['rows', heads * headDim])
    return this.#linear(rows, 'o_proj', hidden)
  }

  #feedForward(hidden: Value): Value {
    const graph = this.#graph
    const normed = this.#norm(hidden, 'post_attention_layernorm')
    const gate = this.#linear(normed, 'gate_proj')
    const activated = graph.mul(gate, graph.sigmoid(gate))
    return this.#linear(graph.mul(activated, this.#linear(normed, 'up_proj')), 'down_proj', hidden)
  }

  /** x · Wᵀ + (α / r) · (x · Aᵀ) · Bᵀ + residual (Hu et al. 2021, LoRA). */
  #linear(x: Value, projection: Projection, residual?: Value): Value {
    const graph = this.#graph
    const weight = this.#parameter(projectionTensor(0, projection))
    const base = graph.gemm(x, weight, { transB: true, ...(residual !== undefined && { add: residual }) })
    if (!this.#parameters.has(withinLayer(loraTensor(0, projection, 'A')))) return base
    const inner = graph.gemm(x, this.#parameter(loraTensor(0, projection, 'A')), { transB: true })
    return graph.gemm(inner, this.#parameter(loraTensor(0, projection, 'B')), { transB: true, alpha: this.#loraScale, add: base })
  }

  /** Cuts the leading axes into [sequences, length] and the others into `tail`. */
  #split(rows: Value, tail: readonly number[]): Value {
    const graph = this.#graph
    const sizes = graph.concat([this.#attention.sequences, this.#attention.length, graph.int64s(tail)], 0)
    return graph.reshape(rows, ['sequences', 'length', ...tail], sizes)
  }

  /** @returns [sequences, length, heads · head_dim], normalised per head where the model does so, and rotated */
  #rotated(rows: Value, heads: number, norm: LayerNorm): Value {
    const { headDim, qkNorm } = this.#config
    const { positions, cos, sin } = this.#attention
    const normed = qkNorm ? this.#norm(this.#split(rows, [heads, headDim]), norm) : rows
    return this.#graph.rotaryEmbedding(this.#split(normed, [heads * headDim]), positions, cos, sin)
  }

  #norm(x: Value, norm: LayerNorm): Value {
    return rmsNorm(this.#graph, x, this.#parameter(normTensor(0, norm)), this.#config.rmsNormEpsilon)
  }

  #parameter(name: string): Value {
    const value = this.#parameters.get(withinLayer(name))
    if (value === undefined) throw new GraphError(`the layer has no parameter ${withinLayer(name)}`)
    return value
  }
}

/** x / √(mean(x²) + ε) · weight, over the last axis (Zhang & Sennrich 2019). */
export function rmsNorm(graph: GraphBuilder, x: Value, weight: Value, epsilon: number): Value {
  const root = graph.sqrt(graph.add(graph.meanLast(graph.mul(x, x)), graph.scalar(epsilon)))
  return graph.mul(graph.div(x, root), weight)
}
