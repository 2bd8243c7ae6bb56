import type { KvCache, SliceEngine } from './slice-engine.ts'

/** WASM copies the whole cache in at every step, so there it grows in such steps with the longest live sequence. */
const CAPACITY_STEP = 16

/** The cache of sequences that are decoded together: the sequence at place i of `order` owns row i. */
export class SequenceRows<Sequence> {
  readonly order: Sequence[] = []
  readonly #engine: SliceEngine
  readonly #maxRows: number
  #cache: KvCache | undefined

  constructor(engine: SliceEngine, maxRows: number) {
    this.#engine = engine
    this.#maxRows = maxRows
  }

  /**
   * The cache, enlarged where it does not hold `tokens` per row yet; live rows keep their content.
   * @param tokens the most that any row will hold; engines that copy their cache should be asked for no more than the next step needs
   */
  cache(tokens: number): KvCache {
    const current = this.#cache
    if (current !== undefined && tokens <= current.capacity) return current
    const capacity = Math.min(Math.ceil(tokens / CAPACITY_STEP) * CAPACITY_STEP, this.#engine.config.contextLength)
    const larger = this.#engine.createCache(this.#maxRows, capacity)
    if (current !== undefined) {
      for (const row of this.order.keys()) larger.copyRow(current, row, row)
      current.release()
    }
    this.#cache = larger
    return larger
  }

  /** Copies row `fromRow` of `from`, which must fit in the cache. @throws RangeError when every row is taken */
  enter(sequence: Sequence, from: KvCache, fromRow: number): void {
    if (this.#cache === undefined) throw new Error('a sequence entered before its cache was made')
    this.#cache.copyRow(from, fromRow, this.order.length)
    this.order.push(sequence)
  }

  /** The last sequence takes the row of the one that leaves. */
  leave(row: number): void {
    const last = this.order.pop()!
    if (row === this.order.length) return
    this.order[row] = last
    this.#cache!.copyRow(this.#cache!, this.order.length, row)
  }

  /** Forgets every sequence. */
  clear(): void {
    this.order.length = 0
    this.#cache?.release()
    this.#cache = undefined
  }
}
