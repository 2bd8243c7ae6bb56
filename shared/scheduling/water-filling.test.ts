import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { waterFill } from './water-filling.ts'

/** Speeds (fp16 TFLOPS) and capacities as in the tests of the Parallax repository: A100 312, RTX 5090 165, RTX 4090 82.6. */
const A100 = 312
const RTX5090 = 165
const RTX4090 = 82.6

test.each([
  { layers: 21, capacities: [13, 5, 3], speeds: [A100, RTX5090, RTX4090], expected: [13, 5, 3] },
  { layers: 15, capacities: [13, 4], speeds: [A100, RTX5090], expected: [11, 4] },
  { layers: 20, capacities: [13, 5, 3], speeds: [A100, RTX5090, RTX4090], expected: [12, 5, 3] },
  { layers: 25, capacities: [13, 5, 4, 3], speeds: [A100, RTX5090, RTX4090, RTX4090], expected: [13, 5, 4, 3] },
  { layers: 8, capacities: [4, 4], speeds: [RTX5090, RTX5090], expected: [4, 4] },
  { layers: 7, capacities: [6, 4], speeds: [A100, RTX5090], expected: [5, 2] }
])('$layers layers over [$capacities] become [$expected]', ({ layers, capacities, speeds, expected }) => {
  expect(waterFill(layers, capacities, speeds)).toEqual(expected)
})

test('a stage too slow for a whole layer still takes one', () => {
  expect(waterFill(6, [6, 6, 6], [100, 100, 1])).toEqual([3, 2, 1])
})

test('more stages than layers, or too little capacity, is an error', () => {
  expect(() => waterFill(1, [1, 1], [1, 1])).toThrow(RangeError)
  expect(() => waterFill(5, [2, 2], [1, 1])).toThrow(RangeError)
  expect(() => waterFill(2, [3, 0], [1, 1])).toThrow(RangeError)
})

describe('for any stages', () => {
  const stages = fc.array(fc.record({ capacity: fc.integer({ min: 1, max: 40 }), speed: fc.integer({ min: 1, max: 1000 }) }), { minLength: 1, maxLength: 12 })
  const pipeline = stages.chain(stages =>
    fc.record({ stages: fc.constant(stages), layers: fc.integer({ min: stages.length, max: stages.reduce((total, { capacity }) => total + capacity, 0) }) })
  )

  test('all layers are shared out within capacities, and rounding moves no stage by a layer from the common level', () => {
    fc.assert(
      fc.property(pipeline, ({ stages, layers }) => {
        const filled = waterFill(layers, stages.map(({ capacity }) => capacity), stages.map(({ speed }) => speed))
        expect(filled.reduce((total, count) => total + count, 0)).toBe(layers)
        for (const [stage, { capacity, speed }] of stages.entries()) {
          const count = filled[stage]!
          expect(count).toBeGreaterThanOrEqual(1)
          expect(count).toBeLessThanOrEqual(capacity)
          const levels = stages.flatMap((other, index) => (filled[index] === other.capacity ? [] : [(filled[index]! + 1) / other.speed]))
          expect(count === 1 ? 0 : (count - 1) / speed).toBeLessThanOrEqual(Math.min(...levels) + 1e-9)
        }
      }),
      runs(200)
    )
  })
})
