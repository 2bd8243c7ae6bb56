import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TokenSequence } from './learner-backend.ts'
import { forEachToken, packMicroBatches, predictions } from './micro-batch.ts'
import { packLength, packPrompts } from './prompt-pack.ts'

const tokens = (maxLength: number): fc.Arbitrary<number[]> => fc.array(fc.nat(98), { minLength: 1, maxLength })
const PROMPTS = [[1], [1, 2], [1, 3], [1, 2, 3, 4, 5, 6, 7]]
/** Few prompts, so that many sequences share one; completions of one token and of none occur. */
const sequences: fc.Arbitrary<TokenSequence[]> = fc.array(
  fc.tuple(fc.constantFrom(...PROMPTS), fc.oneof(fc.constant([]), tokens(12))).map(([prompt, completion]) => ({
    promptLength: prompt.length,
    tokens: [...prompt, ...completion]
  })),
  { maxLength: 40 }
)
const budget = fc.integer({ min: 1, max: 200 })

describe('packPrompts', () => {
  it('holds every sequence once, next to its own prompt, within the budget unless alone', () => {
    fc.assert(
      fc.property(sequences, budget, (given, rowBudget) => {
        const packs = packPrompts(given, rowBudget, 300)
        expect(packs.flatMap(pack => pack.members).toSorted((a, b) => a - b)).toEqual(given.map((_, index) => index))
        for (const pack of packs) {
          const prompts = pack.members.map(index => Array.from(given[index]!.tokens).slice(0, given[index]!.promptLength).join())
          expect(new Set(prompts).size).toBe(1)
          expect(pack.members.length === 1 || packLength(pack) <= rowBudget).toBe(true)
        }
      })
    )
  })

  it('packs more completions together the longer their prompt is', () => {
    const packs = [4, 20, 100, 400].map(promptLength => {
      const group = Array.from({ length: 16 }, () => ({ promptLength, tokens: new Int32Array(promptLength + 11) }))
      return packPrompts(group, 1024, 320).length
    })
    expect(packs).toEqual([6, 2, 1, 1])
  })

  it.each([0, 4])('refuses a prompt of %i of 3 tokens', promptLength => {
    expect(() => packPrompts([{ tokens: [1, 2, 3], promptLength }], 10, 10)).toThrow(RangeError)
  })
})

describe('micro-batches', () => {
  it('keep to the budget, padding included', () => {
    fc.assert(
      fc.property(sequences, budget, (given, rowBudget) => {
        for (const { packs, length } of packMicroBatches(given, rowBudget, 300)) {
          expect(length).toBe(Math.max(...packs.map(packLength)))
          expect(packs.length === 1 || packs.length * length <= rowBudget).toBe(true)
        }
      })
    )
  })

  it('predict every completion token from the row that holds the token before it, at its position', () => {
    fc.assert(
      fc.property(sequences, budget, (given, rowBudget) => {
        for (const batch of packMicroBatches(given, rowBudget, 300)) {
          const rowTokens: number[] = []
          const rowPositions: number[] = []
          forEachToken(given, batch, (token, row, position) => {
            expect(rowTokens[row]).toBeUndefined()
            rowTokens[row] = token
            rowPositions[row] = position
          })
          const { members, offsets, rows, targets } = predictions(given, batch)
          for (const [member, index] of members.entries()) {
            const { tokens, promptLength } = given[index]!
            const [from, to] = [offsets[member]!, offsets[member + 1]!]
            const all = Array.from(tokens)
            expect([...targets.subarray(from, to)]).toEqual(all.slice(promptLength))
            expect([...rows.subarray(from, to)].map(row => rowTokens[row])).toEqual(all.slice(promptLength - 1, -1).slice(0, to - from))
            expect([...rows.subarray(from, to)].map(row => rowPositions[row])).toEqual(all.slice(promptLength).map((_, at) => promptLength - 1 + at))
          }
        }
      })
    )
  })
})
