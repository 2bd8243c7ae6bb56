import type { DecoderConfig } from './config.ts'
import { loraScale, loraTensor, type LoraConfig } from './lora.ts'
import type { Tensor, Tensors } from './tensor.ts'
import { PROJECTIONS, projectionPath } from './tensor-names.ts'

/**
 * The weights of a model that answers as the base model does with its adapter: W + (α/r) · B A (Hu et al. 2021, "LoRA", §4.1). Sums in
 * double precision, so that they are rounded once.
 */
export function mergeAdapter(weights: Tensors, adapter: Tensors, config: DecoderConfig, lora: LoraConfig): Tensors {
  const merged = new Map(weights)
  for (let layer = 0; layer < config.layers; layer++) {
    for (const projection of PROJECTIONS.filter(projection => lora.targets.includes(projection))) {
      const name = `${projectionPath(layer, projection)}.weight`
      const factors = [adapter.get(loraTensor(layer, projection, 'A')), adapter.get(loraTensor(layer, projection, 'B'))]
      const [base, a, b] = [weights.get(name), ...factors]
      if (base === undefined || a === undefined || b === undefined) throw new Error(`mergeAdapter: ${name} or its adapter is missing`)
      merged.set(name, added(base, a, b, loraScale(lora)))
    }
  }
  return merged
}

/** @param base [out, in] @param a [rank, in] @param b [out, rank] */
function added(base: Tensor, a: Tensor, b: Tensor, scale: number): Tensor {
  const [out, inner] = base.shape as readonly [number, number]
  const [rank] = a.shape as readonly [number]
  const data = new Float32Array(base.data.length)
  for (let row = 0; row < out; row++) {
    for (let column = 0; column < inner; column++) {
      let sum = 0
      for (let k = 0; k < rank; k++) sum += b.data[row * rank + k]! * a.data[k * inner + column]!
      data[row * inner + column] = base.data[row * inner + column]! + scale * sum
    }
  }
  return { shape: base.shape, data }
}
