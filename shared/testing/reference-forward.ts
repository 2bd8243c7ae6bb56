/**
 * A decoder forward pass in plain loops over float64, written from the papers and not from our graphs, so that the two
 * can check each other: RMSNorm (Zhang & Sennrich 2019), RoPE in the half-split layout (Su et al. 2021; Hugging Face
 * `rotate_half`), grouped-query attention (Ainslie et al. 2023), SwiGLU (Shazeer 2020), LoRA (Hu et al. 2021).
 */
import type { DecoderConfig } from '../model/config.ts'
import type { LoraConfig } from '../model/lora.ts'
import type { Tensors } from '../model/tensor.ts'

export interface ReferenceAdapter {
  readonly lora: LoraConfig
  readonly tensors: Tensors
}

/** @returns the logits after every token of the sequence: [tokens][vocab] */
export function referenceForward(config: DecoderConfig, weights: Tensors, tokens: readonly number[], adapter?: ReferenceAdapter): number[][] {
  const get = (name: string): Float32Array => {
    const tensor = weights.get(name)
    if (tensor === undefined) throw new Error(`no weight ${name}`)
    return tensor.data
  }

  const linear = (path: string, input: readonly number[]): number[] => {
    const output = multiply(get(`${path}.weight`), input)
    const down = adapter?.tensors.get(`${path}.lora_A.weight`)
    const up = adapter?.tensors.get(`${path}.lora_B.weight`)
    if (adapter === undefined || down === undefined || up === undefined) return output
    const delta = multiply(up.data, multiply(down.data, input))
    return output.map((value, index) => value + (adapter.lora.alpha / adapter.lora.rank) * delta[index]!)
  }

  const norm = (input: readonly number[], name: string): number[] => {
    const weight = get(name)
    const meanSquare = input.reduce((sum, value) => sum + value * value, 0) / input.length
    return input.map((value, index) => (value / Math.sqrt(meanSquare + config.rmsNormEpsilon)) * weight[index]!)
  }

  const embedding = get('model.embed_tokens.weight')
  let states = tokens.map(token => [...embedding.subarray(token * config.hiddenSize, (token + 1) * config.hiddenSize)])
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`
    const heads = (path: string, count: number, input: readonly number[], normName?: string, position?: number): number[][] => {
      const flat = linear(path, input)
      return Array.from({ length: count }, (_, head) => {
        const part = flat.slice(head * config.headDim, (head + 1) * config.headDim)
        const scaled = normName !== undefined && config.qkNorm ? norm(part, normName) : part
        return position === undefined ? scaled : rotate(scaled, position, config.ropeTheta)
      })
    }
    const attention = `${prefix}.self_attn`
    const normed = states.map(state => norm(state, `${prefix}.input_layernorm.weight`))
    const queries = normed.map((input, t) => heads(`${attention}.q_proj`, config.heads, input, `${attention}.q_norm.weight`, t))
    const keys = normed.map((input, t) => heads(`${attention}.k_proj`, config.kvHeads, input, `${attention}.k_norm.weight`, t))
    const values = normed.map(input => heads(`${attention}.v_proj`, config.kvHeads, input))
    states = states.map((state, t) => {
      const mixed = queries[t]!.flatMap((query, head) => {
        const group = Math.floor((head * config.kvHeads) / config.heads)
        return attend(query, keys.slice(0, t + 1).map(key => key[group]!), values.slice(0, t + 1).map(value => value[group]!))
      })
      const afterAttention = plus(state, linear(`${attention}.o_proj`, mixed))
      const input = norm(afterAttention, `${prefix}.post_attention_layernorm.weight`)
      const gate = linear(`${prefix}.mlp.gate_proj`, input)
      const up = linear(`${prefix}.mlp.up_proj`, input)
      const gated = gate.map((value, index) => (value / (1 + Math.exp(-value))) * up[index]!)
      return plus(afterAttention, linear(`${prefix}.mlp.down_proj`, gated))
    })
  }
  const head = get(config.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight')
  return states.map(state => multiply(head, norm(state, 'model.norm.weight')))
}

/** matrix [out, in] · input */
function multiply(matrix: Float32Array, input: readonly number[]): number[] {
  return Array.from({ length: matrix.length / input.length }, (_, row) => {
    let sum = 0
    for (let column = 0; column < input.length; column++) sum += matrix[row * input.length + column]! * input[column]!
    return sum
  })
}

function plus(left: readonly number[], right: readonly number[]): number[] {
  return left.map((value, index) => value + right[index]!)
}

function rotate(head: readonly number[], position: number, theta: number): number[] {
  const half = head.length / 2
  return head.map((value, index) => {
    const pair = index % half
    const angle = position * theta ** (-pair / half)
    const partner = index < half ? -head[index + half]! : head[index - half]!
    return value * Math.cos(angle) + partner * Math.sin(angle)
  })
}

function attend(query: readonly number[], keys: readonly number[][], values: readonly number[][]): number[] {
  const scores = keys.map(key => key.reduce((sum, value, index) => sum + value * query[index]!, 0) / Math.sqrt(query.length))
  const max = Math.max(...scores)
  const weights = scores.map(score => Math.exp(score - max))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return query.map((_, index) => weights.reduce((sum, weight, t) => sum + (weight / total) * values[t]![index]!, 0))
}
