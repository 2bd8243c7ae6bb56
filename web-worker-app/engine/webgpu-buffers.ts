import type { Tensor as OrtTensor } from 'onnxruntime-common'
import type { OrtRuntime } from '#shared/engine/ort-runtime.ts'
import type { MemoryBlock, TensorMemory } from '#shared/engine/tensor-memory.ts'

const FLOAT_BYTES = 4

/** Weights, adapter and caches in buffers of the device that onnxruntime computes on. */
export class WebGpuBuffers implements TensorMemory {
  readonly #runtime: OrtRuntime
  readonly device: GPUDevice
  #encoder: GPUCommandEncoder | undefined
  #staging: GPUBuffer | undefined

  constructor(runtime: OrtRuntime, device: GPUDevice) {
    this.#runtime = runtime
    this.device = device
  }

  allocate(elements: number): MemoryBlock {
    return new BufferBlock(this, this.#createBuffer(elements * FLOAT_BYTES), elements)
  }

  #createBuffer(size: number): GPUBuffer {
    return this.device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST })
  }

  /** Queues a copy. WebGPU has no copy within one buffer, so that goes through a second one. */
  copy(source: GPUBuffer, sourceOffset: number, target: GPUBuffer, offset: number, bytes: number): void {
    this.#encoder ??= this.device.createCommandEncoder()
    if (source !== target) {
      this.#encoder.copyBufferToBuffer(source, sourceOffset, target, offset, bytes)
      return
    }
    const staging = this.#stagingOf(bytes)
    this.#encoder.copyBufferToBuffer(source, sourceOffset, staging, 0, bytes)
    this.#encoder.copyBufferToBuffer(staging, 0, target, offset, bytes)
  }

  #stagingOf(bytes: number): GPUBuffer {
    if (this.#staging === undefined || this.#staging.size < bytes) {
      // Queued copies may still use the smaller one; the browser frees it when they are done.
      this.#staging = this.#createBuffer(bytes)
    }
    return this.#staging
  }

  submit(): void {
    if (this.#encoder === undefined) return
    this.device.queue.submit([this.#encoder.finish()])
    this.#encoder = undefined
  }

  tensor(buffer: GPUBuffer, dims: readonly number[]): OrtTensor {
    return this.#runtime.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims })
  }
}

class BufferBlock implements MemoryBlock {
  readonly #memory: WebGpuBuffers
  readonly #buffer: GPUBuffer
  readonly elements: number

  constructor(memory: WebGpuBuffers, buffer: GPUBuffer, elements: number) {
    this.#memory = memory
    this.#buffer = buffer
    this.elements = elements
  }

  write(data: Float32Array<ArrayBuffer>, offset = 0): void {
    this.#memory.submit()
    this.#memory.device.queue.writeBuffer(this.#buffer, offset * FLOAT_BYTES, data)
  }

  copyFrom(source: MemoryBlock, sourceOffset: number, offset: number, count: number): void {
    if (!(source instanceof BufferBlock)) throw new TypeError('copyFrom: the blocks belong to different memories')
    this.#memory.copy(source.#buffer, sourceOffset * FLOAT_BYTES, this.#buffer, offset * FLOAT_BYTES, count * FLOAT_BYTES)
  }

  tensor(dims: readonly number[]): OrtTensor {
    return this.#memory.tensor(this.#buffer, dims)
  }

  release(): void {
    this.#memory.submit()
    this.#buffer.destroy()
  }
}
