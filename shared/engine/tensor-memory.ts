import type { Tensor as OrtTensor } from 'onnxruntime-common'
import type { OrtRuntime } from './ort-runtime.ts'

/** Where an engine keeps its weights, adapter and caches: typed arrays, or buffers of a GPU. All elements are float32. */
export interface TensorMemory {
  allocate(elements: number): MemoryBlock
  /** Carries out the copies that are still queued; called before onnxruntime uses the blocks. */
  submit(): void
}

export interface MemoryBlock {
  readonly elements: number
  /** Copies the data to the elements from `offset` on, the first unless given. */
  write(data: Float32Array, offset?: number): void
  /** Copies `count` elements; the blocks belong to the same memory, and the ranges do not overlap. */
  copyFrom(source: MemoryBlock, sourceOffset: number, offset: number, count: number): void
  /** The first elements as an onnxruntime tensor that shares this memory. */
  tensor(dims: readonly number[]): OrtTensor
  release(): void
}

/** Typed arrays. onnxruntime-node reads and writes them in place; onnxruntime-web WASM copies them into its heap. */
export function arrayMemory(runtime: OrtRuntime): TensorMemory {
  return { allocate: elements => new ArrayBlock(runtime, elements), submit: () => {} }
}

class ArrayBlock implements MemoryBlock {
  readonly #runtime: OrtRuntime
  readonly elements: number
  #data: Float32Array

  constructor(runtime: OrtRuntime, elements: number) {
    this.#runtime = runtime
    this.elements = elements
    this.#data = new Float32Array(elements)
  }

  write(data: Float32Array, offset = 0): void {
    this.#data.set(data, offset)
  }

  copyFrom(source: MemoryBlock, sourceOffset: number, offset: number, count: number): void {
    if (!(source instanceof ArrayBlock)) throw new TypeError('copyFrom: the blocks belong to different memories')
    this.#data.set(source.#data.subarray(sourceOffset, sourceOffset + count), offset)
  }

  tensor(dims: readonly number[]): OrtTensor {
    const count = dims.reduce((product, size) => product * size, 1)
    if (count > this.elements) throw new RangeError(`${count} elements in a block of ${this.elements}`)
    return new this.#runtime.Tensor('float32', this.#data.subarray(0, count), dims)
  }

  release(): void {
    this.#data = new Float32Array(0)
  }
}
