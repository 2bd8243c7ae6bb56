/** Low-rank adapters, y = W x + (α/r) · B (A x) (Hu et al. 2021, "LoRA", §4.1), named as the PEFT library names them. */
import type { Rng } from '../random/rng.ts'
import type { DecoderConfig } from './config.ts'
import { ModelFileError } from './model-file-error.ts'
import { sameShape, zeros, type Tensor, type Tensors } from './tensor.ts'
import { PROJECTIONS, projectionPath, projectionShape, type Projection, type TensorGroup, type TensorSpec } from './tensor-names.ts'

export interface LoraConfig {
  /** Columns of B and rows of A; at least 1. */
  readonly rank: number
  /** The adapter's output is multiplied by alpha / rank. */
  readonly alpha: number
  readonly targets: readonly Projection[]
}

/** What PEFT puts before every tensor name of an adapter file. */
const PEFT_PREFIX = 'base_model.model.'

export function loraScale(lora: LoraConfig): number {
  return lora.alpha / lora.rank
}

/** @returns e.g. `model.layers.0.self_attn.q_proj.lora_A.weight` */
export function loraTensor(layer: number, projection: Projection, factor: 'A' | 'B'): string {
  return `${projectionPath(layer, projection)}.lora_${factor}.weight`
}

/** A is [rank, in], B is [out, rank]; targets in the order of PROJECTIONS, A before B. */
export function loraLayerGroup(config: DecoderConfig, lora: LoraConfig, layer: number): TensorGroup {
  const tensors: TensorSpec[] = []
  for (const projection of PROJECTIONS) {
    if (!lora.targets.includes(projection)) continue
    const [out, inner] = projectionShape(config, projection)
    tensors.push(
      { name: loraTensor(layer, projection, 'A'), shape: [lora.rank, inner] },
      { name: loraTensor(layer, projection, 'B'), shape: [out, lora.rank] }
    )
  }
  return { name: `adapter.${layer}`, tensors }
}

/** Every adapter tensor of the layers [start, end), by default of the whole model. */
export function loraTensors(config: DecoderConfig, lora: LoraConfig, start = 0, end = config.layers): TensorSpec[] {
  const specs: TensorSpec[] = []
  for (let layer = start; layer < end; layer++) specs.push(...loraLayerGroup(config, lora, layer).tensors)
  return specs
}

/** The adapter that a run starts from: A is Kaiming-uniform with a = √5, that is U(±1/√in); B is zero, so it changes nothing yet. */
export function initialAdapter(config: DecoderConfig, lora: LoraConfig, rng: Rng): Map<string, Tensor> {
  return new Map(
    loraTensors(config, lora).map(({ name, shape }) => {
      const tensor = zeros(shape)
      if (name.includes('.lora_A.')) {
        const bound = 1 / Math.sqrt(shape[1]!)
        const stream = rng.fork(name)
        for (let index = 0; index < tensor.data.length; index++) tensor.data[index] = (2 * stream.float() - 1) * bound
      }
      return [name, tensor]
    })
  )
}

/** The adapter that changes nothing and holds nothing: what an engine uses before the first version arrives. */
export function zeroAdapter(config: DecoderConfig, lora: LoraConfig): Map<string, Tensor> {
  return new Map(loraTensors(config, lora).map(({ name, shape }) => [name, zeros(shape)]))
}

/** Renames to the keys of PEFT's `adapter_model.safetensors`; without the prefix PEFT only warns and ignores the adapter. */
export function toPeftNames(adapter: Tensors): Map<string, Tensor> {
  return new Map([...adapter].map(([name, tensor]) => [PEFT_PREFIX + name, tensor]))
}

/**
 * The inverse of `toPeftNames`, checked against what the run expects.
 * @throws {ModelFileError} naming the first tensor that is missing, unknown or of another shape
 */
export function fromPeftNames(file: string, tensors: Tensors, config: DecoderConfig, lora: LoraConfig): Map<string, Tensor> {
  const adapter = new Map<string, Tensor>()
  for (const { name, shape } of loraTensors(config, lora)) {
    const tensor = tensors.get(PEFT_PREFIX + name)
    if (tensor === undefined) throw new ModelFileError(file, `tensor "${PEFT_PREFIX}${name}" is missing; the adapter does not fit this run's model and LoRA settings`)
    if (!sameShape(tensor.shape, shape)) throw new ModelFileError(file, `tensor "${PEFT_PREFIX}${name}" is [${tensor.shape}] where [${shape}] was expected`)
    adapter.set(name, tensor)
  }
  if (tensors.size !== adapter.size) {
    const unknown = [...tensors.keys()].find(name => !adapter.has(name.slice(PEFT_PREFIX.length)))
    throw new ModelFileError(file, `tensor "${unknown}" does not belong to this run's LoRA settings`)
  }
  return adapter
}

/** The content of PEFT's `adapter_config.json`. */
export function peftAdapterConfig(lora: LoraConfig, baseModel: string): Record<string, unknown> {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: lora.rank,
    lora_alpha: lora.alpha,
    lora_dropout: 0,
    bias: 'none',
    target_modules: PROJECTIONS.filter(projection => lora.targets.includes(projection)),
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    modules_to_save: null,
    use_rslora: false,
    use_dora: false
  }
}
