import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRng } from './rng.ts'

const draw = (rng: { uint32(): number }, count: number) => Array.from({ length: count }, () => rng.uint32())

describe('createRng', () => {
  it('gives the same stream for the same seed, for ever', () => {
    expect(draw(createRng(1), 4)).toEqual(draw(createRng('1'), 4))
    expect(draw(createRng(1), 3)).toMatchInlineSnapshot(`
      [
        2460282976,
        2847990859,
        2992736910,
      ]
    `)
  })

  it('gives different streams for different seeds and labels', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 2 }), ([a, b]) => {
        expect(draw(createRng(a!), 4)).not.toEqual(draw(createRng(b!), 4))
        expect(draw(createRng(7).fork(a!), 4)).not.toEqual(draw(createRng(7).fork(b!), 4))
      })
    )
  })

  it('forks by seed and label, not by position', () => {
    const drawn = createRng('s')
    drawn.uint32()
    expect(draw(drawn.fork('x'), 4)).toEqual(draw(createRng('s').fork('x'), 4))
  })

  it('draws integers below n evenly and floats in [0, 1)', () => {
    const rng = createRng('even')
    const counts = Array.from({ length: 6 }, () => 0)
    let sum = 0
    for (let index = 0; index < 60_000; index++) {
      counts[rng.below(6)]!++
      const float = rng.float()
      expect(float >= 0 && float < 1).toBe(true)
      sum += float
    }
    const chiSquare = counts.reduce((total, count) => total + (count - 10_000) ** 2 / 10_000, 0)
    expect(chiSquare).toBeLessThan(20)
    expect(Math.abs(sum / 60_000 - 0.5)).toBeLessThan(0.01)
    expect(() => rng.below(0)).toThrow(RangeError)
  })
})
