import type { DecoderConfig } from '#shared/model/config.ts'
import { loraTensors, type LoraConfig } from '#shared/model/lora.ts'
import { sliceTensors, type TensorSpec } from '#shared/model/tensor-names.ts'
import { elementCount } from '#shared/model/tensor.ts'

/** The tensors that a run trains: the adapter's, or without LoRA every weight. */
export function trainableTensors(config: DecoderConfig, lora: LoraConfig | null): TensorSpec[] {
  return lora === null ? sliceTensors(config) : loraTensors(config, lora)
}

/** One zeroed array per trained tensor: gradients, or an optimizer's moments. */
export function zerosPerTensor(tensors: readonly TensorSpec[]): Map<string, Float32Array<ArrayBuffer>> {
  return new Map(tensors.map(({ name, shape }) => [name, new Float32Array(elementCount(shape))]))
}
