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
  /** Sets the first elements. The block may keep the array itself, so it must not change afterwards. */
  write(data: Float32Array): void
  /** Copies `count` elements; the blocks belong to the same memory, and the ranges do not overlap. */
  copyFrom(source: MemoryBlock, sourceOffset: number, offset: number, count: number): void
  /** The first elements as an onnxruntime tensor that shares this memory. */
  tensor(dims: readonly number[]): OrtTensor
  release(): void
}

/** Typed arrays. onnxruntime-node reads and writes them in place; onnxruntime-web WASM copies them in and out of its heap. */
export function arrayMemory(runtime: OrtRuntime): TensorMemory {
  return { allocate: elements => new ArrayBlock(runtime, elements), submit: () => {} }
}

/**
 * The array may be shorter than the block: what WASM returns for the rows in use replaces it, uncopied, until a copy
 * needs the elements behind it.
 */
class ArrayBlock implements MemoryBlock {
  readonly #runtime: OrtRuntime
  readonly elements: number
  #data: Float32Array
  /** Of full length, left from before a shorter one replaced it: growing back into it costs a copy, but no memory. */
  #whole: Float32Array | undefined

  constructor(runtime: OrtRuntime, elements: number) {
    this.#runtime = runtime
    this.elements = elements
    this.#data = new Float32Array(elements)
  }

  write(data: Float32Array): void {
    if (this.#data.length === this.elements && data.length < this.elements) this.#whole = this.#data
    this.#data = data
  }

  copyFrom(source: MemoryBlock, sourceOffset: number, offset: number, count: number): void {
    if (!(source instanceof ArrayBlock)) throw new TypeError('copyFrom: the blocks belong to different memories')
    this.#extendTo(offset + count)
    this.#data.set(source.#data.subarray(sourceOffset, sourceOffset + count), offset)
  }

  tensor(dims: readonly number[]): OrtTensor {
    const count = dims.reduce((product, size) => product * size, 1)
    this.#extendTo(count)
    return new this.#runtime.Tensor('float32', this.#data.subarray(0, count), dims)
  }

  #extendTo(count: number): void {
    if (count > this.elements) throw new RangeError(`${count} elements in a block of ${this.elements}`)
    if (count <= this.#data.length) return
    const whole = this.#whole ?? new Float32Array(this.elements)
    whole.set(this.#data)
    this.#data = whole
    this.#whole = undefined
  }

  release(): void {
    this.#data = new Float32Array(0)
    this.#whole = undefined
  }
}
