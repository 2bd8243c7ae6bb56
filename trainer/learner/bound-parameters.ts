import * as ort from 'onnxruntime-node'
import { withinLayer } from '#shared/graph/decoder-layer.ts'
import { FINAL_NORM_PORT, HEAD_PORT } from '#shared/graph/training.ts'
import type { DecoderConfig } from '#shared/model/config.ts'
import { loraLayerGroup, type LoraConfig } from '#shared/model/lora.ts'
import { EMBED_TENSOR, FINAL_NORM_TENSOR, headTensor, layerGroup } from '#shared/model/tensor-names.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { PolicyParameters } from './learner-backend.ts'

/** Inputs of a graph by port name. */
export type Feeds = Readonly<Record<string, ort.Tensor>>

/** A policy's arrays as inputs of the graphs, without copies. */
export class BoundParameters {
  readonly layers: readonly Feeds[]
  readonly head: Feeds
  readonly embedding: Float32Array
  readonly #trainable: readonly (readonly (readonly [port: string, tensor: string])[])[]

  constructor(config: DecoderConfig, lora: LoraConfig | null, { weights, adapter }: PolicyParameters) {
    if ((adapter === null) !== (lora === null)) throw new Error('the parameters and the backend must agree on whether there is an adapter')
    const names = Array.from({ length: config.layers }, (_, layer) => ({
      weights: layerGroup(config, layer).tensors.map(({ name }) => name),
      adapter: lora === null ? [] : loraLayerGroup(config, lora, layer).tensors.map(({ name }) => name)
    }))
    this.layers = names.map(layer => ({ ...ports(weights, layer.weights), ...(adapter !== null && ports(adapter, layer.adapter)) }))
    this.#trainable = names.map(layer => (lora === null ? layer.weights : layer.adapter).map(name => [withinLayer(name), name]))
    this.head = { [FINAL_NORM_PORT]: input(weights, FINAL_NORM_TENSOR), [HEAD_PORT]: input(weights, headTensor(config)) }
    this.embedding = input(weights, EMBED_TENSOR).data as Float32Array
  }

  trainable(layer: number): readonly (readonly [port: string, tensor: string])[] {
    return this.#trainable[layer]!
  }
}

function ports(tensors: Tensors, names: readonly string[]): Record<string, ort.Tensor> {
  return Object.fromEntries(names.map(name => [withinLayer(name), input(tensors, name)]))
}

function input(tensors: Tensors, name: string): ort.Tensor {
  const tensor = tensors.get(name)
  if (tensor === undefined) throw new Error(`the parameters have no tensor ${name}`)
  return new ort.Tensor('float32', tensor.data, tensor.shape)
}
