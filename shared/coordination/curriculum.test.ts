import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCurriculum, levelOf, noteOutcomes, type CurriculumRules } from './curriculum.ts'

const rules: CurriculumRules = { levels: 3, window: 4, up: 0.75, down: 0.25 }

function noted(rates: readonly number[]): { readonly levels: number[]; readonly prompts: number[] } {
  const curriculum = createCurriculum()
  const levels: number[] = []
  for (const [step, rate] of rates.entries()) {
    noteOutcomes(curriculum, rules, Array.from({ length: 4 }, (_, index) => ({ prompt: step, success: index < 4 * rate })), step + 1)
    levels.push(curriculum.level)
  }
  return { levels, prompts: rates.map((_, prompt) => levelOf(curriculum, prompt)) }
}

describe('a curriculum', () => {
  test('rises on success, falls on failure, stays in between and within its levels; a prompt keeps the level that it was given out at', () => {
    expect(noted([1, 0.5, 0.75, 1, 1, 0.25, 0, 0, 0])).toEqual({ levels: [1, 1, 2, 2, 2, 1, 0, 0, 0], prompts: [0, 1, 1, 2, 2, 2, 1, 0, 0] })
  })

  test('waits for a whole window, and does not count what older levels bring in late', () => {
    const curriculum = createCurriculum()
    const successes = (prompt: number, count: number) => Array.from({ length: count }, () => ({ prompt, success: true }))
    noteOutcomes(curriculum, rules, successes(0, 3), 10)
    expect(curriculum.level).toBe(0)
    noteOutcomes(curriculum, rules, successes(1, 1), 10)
    expect(curriculum).toMatchObject({ level: 1, recent: [] })
    noteOutcomes(curriculum, rules, successes(9, 100), 12)
    expect(curriculum).toMatchObject({ level: 1, recent: [] })
    noteOutcomes(curriculum, rules, successes(10, 4), 12)
    expect(curriculum.level).toBe(2)
  })

  test('goes on from its snapshot as it would have, and levels of prompts never change', () => {
    const outcome = fc.record({ prompt: fc.nat(60), success: fc.boolean() })
    fc.assert(
      fc.property(fc.array(fc.array(outcome, { maxLength: 9 }), { maxLength: 20 }), steps => {
        let saved = createCurriculum()
        const straight = createCurriculum()
        const given = new Map<number, number>()
        for (const [step, outcomes] of steps.entries()) {
          for (let prompt = 3 * step; prompt < 3 * step + 3; prompt++) given.set(prompt, levelOf(straight, prompt))
          noteOutcomes(straight, rules, outcomes, 3 * step + 3)
          saved = JSON.parse(JSON.stringify(saved)) as typeof saved
          noteOutcomes(saved, rules, outcomes, 3 * step + 3)
        }
        expect(saved).toEqual(straight)
        for (const [prompt, level] of given) expect(levelOf(straight, prompt)).toBe(level)
      })
    )
  })
})
