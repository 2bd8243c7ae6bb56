import type { DecoderConfig } from '../model/config.ts'
import type { Tensors } from '../model/tensor.ts'
import type { ModelSlice } from '../model/tensor-names.ts'

export type EngineKind = 'webgpu' | 'wasm' | 'node'

/**
 * Keys and values of `rows` sequences of at most `capacity` tokens each, for the layers of the engine that made it.
 * What lies beyond a row's length is never read.
 */
export interface KvCache {
  readonly rows: number
  readonly capacity: number
  /** Copies a whole sequence, so that samples of one prompt share its prefill. `from` may be this cache or one of another capacity. */
  copyRow(from: KvCache, fromRow: number, toRow: number): void
  release(): void
}

/**
 * One call of a slice for the first `rows` rows of a cache: either the start of sequences (`steps` tokens each, padded on
 * the right) or one more token for each (`steps` = 1).
 */
export interface SliceInput {
  /** Token ids [rows · steps]; for a slice that embeds. */
  readonly tokens?: Int32Array
  /** Hidden states [rows · steps · hiddenSize]; for a slice that does not. */
  readonly hidden?: Float32Array
  readonly rows: number
  readonly steps: number
  /** Tokens of each row in the cache after this call; at the start of sequences at most `steps`. */
  readonly lengths: Int32Array
  /** Flattened positions (row · steps + step) whose logits are wanted; for a slice with the head. */
  readonly logitRows?: Int32Array
}

export interface SliceOutput {
  /** [logitRows · vocabSize]; from a slice with the head. */
  readonly logits?: Float32Array
  /** [rows · steps · hiddenSize]; from a slice without. */
  readonly hidden?: Float32Array
}

/** What hosts a slice: one implementation over onnxruntime for tabs (WebGPU, WASM) and for Node. One call at a time. */
export interface SliceEngine {
  readonly kind: EngineKind
  readonly config: DecoderConfig
  readonly slice: ModelSlice
  /** Takes effect at the next `forward`; undefined removes the adapter. Caches made before belong to the old policy version: drop them. */
  setAdapter(adapter: Tensors | undefined): Promise<void>
  /** Replaces all base weights, for runs that train every parameter. Caches made before belong to the old policy version: drop them. */
  setWeights(weights: Tensors): Promise<void>
  createCache(rows: number, capacity: number): KvCache
  forward(input: SliceInput, cache: KvCache): Promise<SliceOutput>
  release(): Promise<void>
}
