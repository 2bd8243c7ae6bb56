import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { splitOf as arithmeticSplit, type ArithmeticTask } from './arithmetic.ts'
import { EnvironmentError, environmentNamed } from './environments.ts'
import type { Environment } from './environment.ts'
import { splitOf as reverseSplit, type ReverseTask } from './reverse.ts'
import { runs } from '../testing/property-runs.ts'

const split = fc.constantFrom('train' as const, 'held-out' as const)

function score(environment: Environment, task: unknown, action: string): { reward: number; success: boolean } {
  const { reward, info } = environment.step(environment.start(task), action)
  return { reward, success: info.success }
}

describe.each(['arithmetic', 'reverse'])('%s', name => {
  const environment = environmentNamed(name)

  test('is pure: the same seed and split give the same task, as plain JSON', () => {
    fc.assert(
      fc.property(fc.string(), split, (seed, split) => {
        const task = environment.sample(seed, split)
        expect(environment.sample(seed, split)).toEqual(task)
        expect(JSON.parse(JSON.stringify(task))).toEqual(task)
      })
    )
  })

  test('rewards the demonstrated action with 1 and success, any other text with less and none', () => {
    fc.assert(
      fc.property(fc.nat(), split, fc.string({ maxLength: 12 }), (seed, split, text) => {
        const task = environment.sample(seed, split)
        const right = environment.demonstrate!(environment.start(task))
        expect(score(environment, task, right)).toEqual({ reward: 1, success: true })
        fc.pre(text !== right)
        const wrong = score(environment, task, text)
        expect(wrong.success).toBe(false)
        expect(wrong.reward).toBeGreaterThanOrEqual(0)
        expect(wrong.reward).toBeLessThan(1)
      })
    )
  })

  test('ends after one action', () => {
    const first = environment.step(environment.start(environment.sample(1, 'train')), 'x')
    expect(first.done).toBe(true)
    expect(() => environment.step(first.state, 'x')).toThrow('already answered')
  })

  test('shows people the question, the answer and the right answer of a wrong one', () => {
    const task = environment.sample(2, 'train')
    const start = environment.start(task)
    const right = environment.demonstrate!(start)
    expect(environment.view(start)).toBe(`${environment.render(start)}?`)
    expect(environment.view(environment.step(start, right).state)).toBe(`${environment.render(start)}${right} ✓`)
    expect(environment.view(environment.step(start, 'x').state)).toBe(`${environment.render(start)}x ✗ (${right})`)
  })
})

describe('arithmetic', () => {
  const environment = environmentNamed('arithmetic')

  test('training never draws a held-out problem nor its mirror image, and the reverse', () => {
    const prompts = { train: new Set<string>(), 'held-out': new Set<string>() }
    fc.assert(
      fc.property(fc.nat(), split, (seed, split) => {
        const { left, operation, right } = environment.sample(seed, split) as ArithmeticTask
        prompts[split].add(`${left}${operation}${right}`)
        if (operation === '+') prompts[split].add(`${right}+${left}`)
      }),
      runs(4_000)
    )
    expect(prompts['held-out'].size).toBeGreaterThan(500)
    expect([...prompts.train].filter(prompt => prompts['held-out'].has(prompt))).toEqual([])
  })

  test('an eighth of all problems is held out', () => {
    let heldOut = 0
    let all = 0
    for (let left = 0; left <= 99; left++) {
      for (let right = 0; right <= 99; right++) {
        for (const operation of right <= left ? (['+', '-'] as const) : (['+'] as const)) {
          all++
          if (arithmeticSplit({ left, operation, right }) === 'held-out') heldOut++
        }
      }
    }
    expect(heldOut / all).toBeGreaterThan(0.115)
    expect(heldOut / all).toBeLessThan(0.135)
  })

  test('poses what the options allow: operands in range, no negative result', () => {
    const small = environmentNamed('arithmetic', { largestOperand: 9, operations: ['-'] })
    fc.assert(
      fc.property(fc.nat(), split, (seed, split) => {
        const task = small.sample(seed, split) as ArithmeticTask
        expect(task.operation).toBe('-')
        expect(task.right).toBeGreaterThanOrEqual(0)
        expect(task.left).toBeGreaterThanOrEqual(task.right)
        expect(task.left).toBeLessThanOrEqual(9)
      })
    )
  })

  test.each([
    ['085', 1],
    ['084', 1 / 3],
    ['185', 1 / 3],
    ['85', 1 / 3],
    ['5', 1 / 6],
    ['580', 1 / 6],
    ['', 0],
    ['085 ', 0]
  ])('rewards the answer "%s" to 37+48 with %d', (answer, reward) => {
    expect(score(environment, { left: 37, operation: '+', right: 48 }, answer).reward).toBeCloseTo(reward, 12)
  })

  test('writes every number of a kind with the same width', () => {
    const state = environment.start({ left: 7, operation: '-', right: 2 })
    expect(environment.render(state)).toBe('07-02=')
    expect(environment.demonstrate!(state)).toBe('005')
  })
})

describe('reverse', () => {
  const environment = environmentNamed('reverse')

  test('training never draws a held-out word', () => {
    fc.assert(
      fc.property(fc.nat(), split, (seed, split) => {
        const task = environment.sample(seed, split) as ReverseTask
        expect(task.word).toMatch(/^[a-j]{10}$/)
        expect(reverseSplit(task)).toBe(split)
      })
    )
  })

  test('rewards every right place', () => {
    const task = { word: 'abcdefghij' }
    expect(environment.render(environment.start(task))).toBe('reverse abcdefghij=')
    expect(score(environment, task, 'jihgfedcba').success).toBe(true)
    expect(score(environment, task, 'jihgfaaaaa').reward).toBeCloseTo(0.6, 12)
    expect(score(environment, task, 'jihgf').reward).toBeCloseTo(0.5, 12)
    expect(score(environment, task, 'jihgfedcbaa').reward).toBeCloseTo(10 / 11, 12)
  })
})

describe('the registry', () => {
  test.each([
    ['chess', {}, 'environment "chess" is unknown; use one of: arithmetic, holdem, reverse, sokoban-tiny, sokoban-1, sokoban-2'],
    ['arithmetic', { digits: 2 }, 'environment "arithmetic": option digits is unknown'],
    ['arithmetic', { largestOperand: 'ten' }, 'environment "arithmetic": option largestOperand must be number'],
    ['reverse', { length: 1 }, 'environment "reverse": option length must be >=2'],
    ['reverse', 7, 'environment "reverse": the options must be Object']
  ])('refuses %s with options %j in one line', (name, options, line) => {
    expect(() => environmentNamed(name, options)).toThrow(new EnvironmentError(line))
  })
})
