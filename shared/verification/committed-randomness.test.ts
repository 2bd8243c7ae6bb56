import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rolloutSeed, uniform } from './committed-randomness.ts'

const secret = Uint8Array.from({ length: 32 }, (_, index) => index)

/** Computed once with node:crypto, independently of the hash library in use. */
const GOLDEN = [
  { prompt: 0, index: 0, seed: '7d06c2d624b337de898251d4ae66c8a883b38b457f9e7ed3b3cd0d3e1d7b9c66', words: { 0: 2351392619, 1: 980913080, 7: 2371599399, 8: 275947801, 63: 1920698307, 1000: 535293903 } },
  { prompt: 7, index: 3, seed: '8bec044d703422e1c794b7fe607a579000c1369eca396e3aec028c7a1d6617aa', words: { 0: 2178439328, 1: 208817488, 7: 2911263031, 8: 1940571739, 63: 3317328575, 1000: 2438413894 } },
  { prompt: 123456, index: 15, seed: 'cd7b54f2d117c941f6667186f9f496c8ce9ebb7c4ed38c860f7f7222075669ea', words: { 0: 1514170602, 1: 769016511, 7: 2036011769, 8: 4260398776, 63: 1840959893, 1000: 2232292659 } }
]

describe('committed randomness', () => {
  test.each(GOLDEN)('rollout $prompt/$index has its golden seed and uniforms', ({ prompt, index, seed, words }) => {
    expect(rolloutSeed(secret, prompt, index)).toBe(seed)
    for (const [t, word] of Object.entries(words)) expect(uniform(seed, Number(t))).toBe(word / 2 ** 32)
  })

  test('every uniform lies in [0, 1), and rollouts do not share their seeds', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 1000 }), fc.nat({ max: 10_000 }), (prompt, index, t) => {
        const seed = rolloutSeed(secret, prompt, index)
        const u = uniform(seed, t)
        expect(u).toBeGreaterThanOrEqual(0)
        expect(u).toBeLessThan(1)
        expect(rolloutSeed(secret, prompt, index + 1)).not.toBe(seed)
        expect(rolloutSeed(secret, prompt + 1, index)).not.toBe(seed)
      })
    )
  })

  test('the uniforms of one rollout fill ten equal bins evenly (chi-square below the 99.9th percentile of 9 degrees)', () => {
    const bins = Array.from({ length: 10 }, () => 0)
    const draws = 20_000
    for (let t = 0; t < draws; t++) bins[Math.floor(uniform(GOLDEN[0]!.seed, t) * 10)]!++
    const chiSquare = bins.reduce((total, seen) => total + (seen - draws / 10) ** 2 / (draws / 10), 0)
    expect(chiSquare).toBeLessThan(27.88)
  })

  test('a short secret is a bug of the caller', () => {
    expect(() => rolloutSeed(new Uint8Array(16), 0, 0)).toThrow(RangeError)
  })
})
