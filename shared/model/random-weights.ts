/**
 * Weights for checks: every tensor random, norms included, so that an error anywhere changes the logits. Only integer
 * arithmetic, additions, products and square roots, so every machine makes the same ones.
 */
import { createRng, type Rng } from '../random/rng.ts'
import type { DecoderConfig } from './config.ts'
import { loraTensors, type LoraConfig } from './lora.ts'
import { sliceTensors, wholeModel, type ModelSlice, type TensorSpec } from './tensor-names.ts'
import { zeros, type Tensor } from './tensor.ts'

/** @param slice its tensors are the same as those of the whole model */
export function randomWeights(config: DecoderConfig, seed: number | string, slice: ModelSlice = wholeModel(config)): Map<string, Tensor> {
  return randomTensors(sliceTensors(config, slice), createRng(seed))
}

/** Both factors random, so that unlike a fresh adapter it changes every logit. */
export function randomAdapter(config: DecoderConfig, lora: LoraConfig, seed: number | string): Map<string, Tensor> {
  return randomTensors(loraTensors(config, lora), createRng(seed))
}

function randomTensors(specs: readonly TensorSpec[], rng: Rng): Map<string, Tensor> {
  return new Map(specs.map(spec => [spec.name, randomTensor(spec, rng.fork(spec.name))]))
}

/** Norm weights lie in [0.5, 1.5]; matrices are scaled so that products keep about unit variance. */
function randomTensor({ name, shape }: TensorSpec, rng: Rng): Tensor {
  const tensor = zeros(shape)
  const bound = name.includes('embed') ? 1 : Math.sqrt(3 / shape.at(-1)!)
  for (let index = 0; index < tensor.data.length; index++) {
    const centred = 2 * rng.float() - 1
    tensor.data[index] = name.includes('norm') ? 1 + centred / 2 : centred * bound
  }
  return tensor
}
