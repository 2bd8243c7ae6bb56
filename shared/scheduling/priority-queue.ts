/** Keys are compared number by number; of equal keys the one that came first is popped first. */
export class PriorityQueue<Item> {
  readonly #heap: { readonly item: Item; readonly key: readonly number[]; readonly order: number }[] = []
  #pushed = 0

  /** @param key of the same length for every item */
  push(item: Item, key: readonly number[]): void {
    const heap = this.#heap
    heap.push({ item, key, order: this.#pushed++ })
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1
      if (!this.#isBefore(child, parent)) return
      this.#swap(child, parent)
      child = parent
    }
  }

  /** @returns the item with the least key, undefined when there is none */
  pop(): Item | undefined {
    const heap = this.#heap
    if (heap.length === 0) return undefined
    this.#swap(0, heap.length - 1)
    const { item } = heap.pop()!
    for (let parent = 0; ; ) {
      const left = 2 * parent + 1
      if (left >= heap.length) return item
      const child = left + 1 < heap.length && this.#isBefore(left + 1, left) ? left + 1 : left
      if (!this.#isBefore(child, parent)) return item
      this.#swap(child, parent)
      parent = child
    }
  }

  #isBefore(left: number, right: number): boolean {
    const a = this.#heap[left]!
    const b = this.#heap[right]!
    for (let index = 0; index < a.key.length; index++) {
      const difference = a.key[index]! - b.key[index]!
      if (difference !== 0) return difference < 0
    }
    return a.order < b.order
  }

  #swap(left: number, right: number): void {
    const kept = this.#heap[left]!
    this.#heap[left] = this.#heap[right]!
    this.#heap[right] = kept
  }
}
