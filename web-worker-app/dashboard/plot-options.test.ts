import { expect, test } from 'vitest'
import { horizontalRange } from './plot-options.ts'

test('the horizontal axis spans the data; one point alone stands at the left of one step', () => {
  expect(horizontalRange([2, 5, 9], 'line')).toEqual([2, 9])
  expect(horizontalRange([0], 'line')).toEqual([0, 1])
  expect(horizontalRange([1], 'line')).toEqual([1, 2])
  expect(horizontalRange([0, 1, 2], 'bars')).toEqual([-0.5, 2.5])
  expect(horizontalRange([0], 'bars')).toEqual([-0.5, 0.5])
})
