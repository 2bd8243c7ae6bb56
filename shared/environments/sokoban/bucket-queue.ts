/** A priority queue for small whole costs. Of equal cost, what was added last comes first: a search then goes deep before it goes wide. */
export interface BucketQueue<Item> {
  /** @param cost a whole number from 0 */
  add(item: Item, cost: number): void
  /** @returns an item of the lowest cost; undefined when there is none */
  take(): Item | undefined
}

export function createBucketQueue<Item>(): BucketQueue<Item> {
  const buckets: Item[][] = []
  let lowest = 0
  return {
    add: (item, cost) => {
      while (buckets.length <= cost) buckets.push([])
      buckets[cost]!.push(item)
      if (cost < lowest) lowest = cost
    },
    take: () => {
      while (lowest < buckets.length && buckets[lowest]!.length === 0) lowest++
      return buckets[lowest]?.pop()
    }
  }
}
