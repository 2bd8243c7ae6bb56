import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { PriorityQueue } from './priority-queue.ts'

test('items come out by key, equal ones in the order in which they came', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(3))), keys => {
      const queue = new PriorityQueue<number>()
      for (const [index, key] of keys.entries()) queue.push(index, key)
      const popped = Array.from(keys, () => queue.pop())
      expect(popped).toEqual(keys.map((_, index) => index).toSorted((left, right) => keys[left]![0] - keys[right]![0] || keys[left]![1] - keys[right]![1]))
      expect(queue.pop()).toBeUndefined()
    }),
    runs(100)
  )
})
