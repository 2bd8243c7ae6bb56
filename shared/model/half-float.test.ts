import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { floatToHalf, halfToFloat } from './half-float.ts'

test('every half survives the way to a float and back', () => {
  const changed = Array.from({ length: 0x10000 }, (_, bits) => bits).filter(bits => {
    const float = halfToFloat(bits)
    return Number.isNaN(float) ? !Number.isNaN(halfToFloat(floatToHalf(float))) : floatToHalf(float) !== bits
  })
  expect(changed).toEqual([])
})

test('a float becomes the nearest half', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, min: -65_519, max: 65_519 }), value => {
      const bits = floatToHalf(value)
      const error = Math.abs(halfToFloat(bits) - value)
      const magnitude = bits & 0x7fff
      for (const neighbour of [magnitude - 1, magnitude + 1]) {
        if (neighbour < 0 || neighbour >= 0x7c00) continue
        expect(Math.abs(halfToFloat((bits & 0x8000) | neighbour) - value)).toBeGreaterThanOrEqual(error)
      }
    })
  )
})

test.each([
  [1 + 2 ** -11, 0x3c00],
  [1 + 3 * 2 ** -11, 0x3c02],
  [65_520, 0x7c00],
  [-65_519, 0xfbff],
  [2 ** -25, 0x0000],
  [3 * 2 ** -25, 0x0002],
  [-0, 0x8000]
])('%f becomes %i: ties go to the even half, the too large to infinity, the too small to zero', (value, bits) => {
  expect(floatToHalf(value)).toBe(bits)
})
