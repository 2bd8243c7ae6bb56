import type { Tensor as OrtTensor } from 'onnxruntime-common'
import type { DecoderConfig } from '../model/config.ts'
import type { ModelSlice } from '../model/tensor-names.ts'
import type { KvCache } from './slice-engine.ts'
import type { MemoryBlock, TensorMemory } from './tensor-memory.ts'

/** A cache of one block [rows, kvHeads, capacity, headDim] for the keys of each layer and one for its values. */
export class KvBlocks implements KvCache {
  readonly rows: number
  readonly capacity: number
  readonly #config: DecoderConfig
  /** Key and value blocks, two per layer, in layer order. */
  readonly blocks: readonly MemoryBlock[]

  constructor(memory: TensorMemory, config: DecoderConfig, slice: ModelSlice, rows: number, capacity: number) {
    if (rows < 1 || capacity < 1 || capacity > config.contextLength) {
      throw new RangeError(`a cache of ${rows} rows and ${capacity} tokens: both must be positive and the tokens at most ${config.contextLength}`)
    }
    this.rows = rows
    this.capacity = capacity
    this.#config = config
    const elements = rows * config.kvHeads * capacity * config.headDim
    this.blocks = Array.from({ length: 2 * (slice.end - slice.start) }, () => memory.allocate(elements))
  }

  copyRow(from: KvCache, fromRow: number, toRow: number): void {
    if (!(from instanceof KvBlocks) || from.blocks.length !== this.blocks.length) throw new TypeError('copyRow: the caches belong to different engines')
    if (fromRow >= from.rows || toRow >= this.rows) throw new RangeError(`copyRow ${fromRow} → ${toRow}: there are ${from.rows} and ${this.rows} rows`)
    const { kvHeads, headDim } = this.#config
    const source = from.capacity * headDim
    const target = this.capacity * headDim
    for (const [index, block] of this.blocks.entries()) {
      const origin = from.blocks[index]!
      if (source === target) {
        block.copyFrom(origin, fromRow * kvHeads * source, toRow * kvHeads * target, kvHeads * target)
      } else {
        for (let head = 0; head < kvHeads; head++) {
          block.copyFrom(origin, (fromRow * kvHeads + head) * source, (toRow * kvHeads + head) * target, Math.min(source, target))
        }
      }
    }
  }

  /**
   * Writes what a run returned of its new tokens to block `index`.
   * @param data [rows, kvHeads, steps, headDim]
   * @param positions of each row's first new token
   */
  writeTokens(index: number, data: Float32Array, steps: number, positions: Int32Array): void {
    const { kvHeads, headDim } = this.#config
    const block = this.blocks[index]!
    const count = steps * headDim
    for (const [row, position] of positions.entries()) {
      for (let head = row * kvHeads; head < (row + 1) * kvHeads; head++) block.write(data.subarray(head * count, (head + 1) * count), (head * this.capacity + position) * headDim)
    }
  }

  /** The first `rows` sequences of block `index`, sharing its memory. */
  tensor(index: number, rows: number): OrtTensor {
    return this.blocks[index]!.tensor([rows, this.#config.kvHeads, this.capacity, this.#config.headDim])
  }

  release(): void {
    for (const block of this.blocks) block.release()
  }
}
