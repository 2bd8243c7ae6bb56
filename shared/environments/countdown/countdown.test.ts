import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countdown, splitOf, type CountdownTask } from '../countdown.ts'
import { createRng } from '../../random/rng.ts'
import { environmentNamed } from '../environments.ts'
import type { Environment } from '../environment.ts'
import { readAttempts } from './attempts.ts'
import { EXPRESSION_FAULTS, readExpression, type ExpressionRules } from './expression.ts'
import { OPERATIONS, rationalText, type Operation } from './rational.ts'
import { solve } from './solver.ts'
import { workedSearch } from './worked-search.ts'

const RULES: ExpressionRules = { numbers: [3, 5, 7], operations: OPERATIONS, useAll: true }

describe('expressions', () => {
  test.each([
    ['3*(5+7)', 36, 1],
    ['3 + 5 * 7', 38, 1],
    ['(3)-5-7', -9, 1],
    ['7/(3-5)', -7, 2],
    ['((7)/ 5)/3', 7, 15],
    [' 3*5+7 ', 22, 1]
  ])('reads %s as %d/%d', (text, numerator, denominator) => {
    expect(readExpression(text, RULES)).toEqual({ kind: 'value', value: { numerator, denominator } })
  })

  test.each([
    ['', 'number_expected', 0, false],
    ['3+', 'number_expected', 2, false],
    ['3+*5', 'number_expected', 2, false],
    ['-3+5', 'number_expected', 0, false],
    ['()', 'number_expected', 1, false],
    ['3 5', 'operation_expected', 2, false],
    ['3+5)', 'operation_expected', 3, false],
    ['3(5)', 'operation_expected', 1, false],
    ['(3 5', 'operation_expected', 3, false],
    ['(3+5', 'unclosed_parenthesis', 4, false],
    ['3+x', 'unexpected_character', 2, false],
    ['3×5', 'unexpected_character', 1, false],
    ['(3,', 'unexpected_character', 2, false],
    ['3\n+5', 'unexpected_character', 1, false],
    ['process.exit()', 'unexpected_character', 0, false],
    ['('.repeat(33), 'too_deep', 32, false],
    ['3+'.repeat(200), 'too_long', 256, false],
    ['3+5+8', 'number_not_given', 4, true],
    ['3+5+7+5', 'number_used_up', 6, true],
    ['3+5', 'number_unused', 3, true],
    ['7/(3-3)', 'number_used_up', 5, true],
    ['999999999999999999999*3', 'number_not_given', 0, true]
  ])('refuses %j: %s at %d', (text, code, position, syntax) => {
    expect(readExpression(text, RULES)).toEqual({ kind: 'refused', code, position, syntax })
  })

  test('refuses a division by zero, and operations that are not allowed', () => {
    expect(readExpression('7/(3-3)', { ...RULES, numbers: [3, 3, 7] })).toEqual({ kind: 'refused', code: 'division_by_zero', position: 1, syntax: true })
    expect(readExpression('3+5/7', { ...RULES, operations: ['+', '-'] })).toEqual({ kind: 'refused', code: 'operation_not_allowed', position: 3, syntax: true })
  })

  test('whatever the text, says a value or a known fault at a place in it', () => {
    const garbage = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('(', ')', '+', '-', '*', '/', '3', '5', '7', ' ') }))
    fc.assert(
      fc.property(garbage, text => {
        const read = readExpression(text, RULES)
        const isSound = read.kind === 'value' ? read.value.denominator >= 1 : EXPRESSION_FAULTS.includes(read.code) && read.position >= 0 && read.position <= text.length
        expect({ read, isSound }).toMatchObject({ isSound: true })
      })
    )
  })
})

describe('the solver', () => {
  test('finds what there is, in as few parentheses as it takes, and says when there is nothing', () => {
    const rules = { operations: OPERATIONS, useAll: true }
    const found = solve([1, 5, 5, 5], 24, rules)!
    expect(readExpression(found, { ...rules, numbers: [1, 5, 5, 5] })).toEqual({ kind: 'value', value: { numerator: 24, denominator: 1 } })
    expect(found.match(/\(/g)).toHaveLength(1)
    expect(solve([1, 1], 7, rules)).toBeUndefined()
    expect(solve([7, 100], 100, { operations: ['+'], useAll: false })).toBe('100')
    expect(solve([7, 100], 100, { operations: ['+'], useAll: true })).toBeUndefined()
  })
})

describe('countdown', () => {
  const options = fc.record({
    numbers: fc.integer({ min: 3, max: 4 }),
    largestNumber: fc.integer({ min: 9, max: 30 }),
    operations: fc.uniqueArray(fc.constantFrom<Operation>(...OPERATIONS), { minLength: 1, maxLength: 4 }),
    useAll: fc.boolean()
  })

  test('poses only what can be reached: the demonstration always succeeds, whatever the options', () => {
    fc.assert(
      fc.property(options, fc.nat(), fc.constantFrom('train' as const, 'held-out' as const), (given, seed, split) => {
        // Products alone rarely stay small.
        fc.pre(given.operations.some(operation => operation !== '*' && operation !== '/'))
        const environment = environmentNamed('countdown', given) as Environment<CountdownTask>
        const task = environment.sample(seed, split)
        expect(splitOf(task)).toBe(split)
        expect(splitOf({ ...task, numbers: task.numbers.toReversed() })).toBe(split)
        const state = environment.start(task)
        expect(environment.step(state, environment.demonstrate!(state))).toMatchObject({ done: true, reward: 1, info: { success: true } })
      }),
      { numRuns: 60 }
    )
  })

  test('a demonstration with a scratchpad comes to what it says, and its last attempt uses all numbers', () => {
    fc.assert(
      fc.property(options, fc.nat(), (given, seed) => {
        fc.pre(given.operations.some(operation => operation !== '*' && operation !== '/'))
        const environment = environmentNamed('countdown', { ...given, scratchpad: true }) as Environment<CountdownTask>
        const task = environment.sample(seed, 'train')
        const attempts = readAttempts(environment.demonstrate!(environment.start(task)))
        const read = attempts.map(({ expression }) => readExpression(expression, { numbers: task.numbers, operations: given.operations, useAll: false }))
        const values = read.map(each => (each.kind === 'value' ? rationalText(each.value) : each.code))
        expect(attempts.map(({ claimed }) => claimed)).toEqual(values)
        expect(attempts.length).toBeLessThanOrEqual(9)
        expect(readExpression(attempts.at(-1)!.expression, { numbers: task.numbers, operations: given.operations, useAll: true }).kind).toBe('value')
      }),
      { numRuns: 60 }
    )
  })

  test('a demonstrated search begins in the order of the numbers; whoever goes on carefully comes as close as it can until it is there', () => {
    const calm = { ...createRng('calm'), float: () => 0, below: (n: number) => n - 1 }
    expect(workedSearch([5, 3, 4], 17, ['+', '-', '*'], calm)).toEqual(['4-(5+3=8)=-4<', '(5-3=2)*4=8<', '(5*3=15)+4=19>', '(5+4=9)+3=12<', '(5-4=1)+3=4<', '(5*4=20)-3=17'])
  })

  test('of demonstrated searches some end with the first attempt that fails, the others go on, and most of these get there', () => {
    const environment = environmentNamed('countdown', { scratchpad: true }) as Environment<CountdownTask>
    const searches = Array.from({ length: 400 }, (_, seed) => environment.start(environment.sample(seed, 'train'))).map(state => {
      const action = environment.demonstrate!(state)
      return { attempts: readAttempts(action).length, success: environment.step(state, action).info.success }
    })
    const givenUp = searches.filter(({ attempts, success }) => attempts === 1 && !success)
    const goneOn = searches.filter(({ attempts }) => attempts > 1)
    expect(givenUp.length / searches.length).toBeGreaterThan(0.4)
    expect(goneOn.length / searches.length).toBeGreaterThan(0.15)
    expect(goneOn.filter(({ success }) => success).length / goneOn.length).toBeGreaterThan(0.75)
  })

  test('pays a little for form, more for keeping the rules, all for the target', () => {
    const environment = countdown({ numbers: 3, largestNumber: 9, largestTarget: 99, operations: ['+', '-', '*'], useAll: true, scratchpad: false })
    const state = environment.start({ numbers: [3, 5, 7], target: 36 })
    const rewarded = (text: string) => environment.step(state, text).reward
    expect(['3*(5+7)', '(7+5)*3', '3+5*7', '3+5', '3*12', '3*(5+', 'hello', ''].map(rewarded)).toEqual([1, 1, 0.2, 0.1, 0.1, 0, 0, 0])
    const view = (text: string) => environment.view(environment.step(state, text).state)
    expect(environment.render(state)).toBe('countdown 3 5 7=36:')
    expect(view('3*(5+7)')).toBe('countdown 3 5 7=36: 3*(5+7) = 36 ✓')
    expect(view('3+5*7')).toBe('countdown 3 5 7=36: 3+5*7 = 38 ✗')
    expect(view('3*(5+')).toBe('countdown 3 5 7=36: 3*(5+ ✗ (number_expected at 5)')
  })

  test('with a scratchpad the last attempt counts, whatever it claims to come to', () => {
    const environment = environmentNamed('countdown', { scratchpad: true }) as Environment<CountdownTask>
    const state = environment.start({ numbers: [3, 5, 7], target: 36 })
    const rewarded = (text: string) => environment.step(state, text).reward
    expect(['3*(5+7)', '(3*5=15)+7=22<3*(5+7=12)=36', 'hello<3*(5+7=0)=1>', '3*(5+7)=36>3+5*7=38', '3*(5+7)=36<3*5', '3*(5+7)=36<<', '3*(5+7=)', '<', ''].map(rewarded)).toEqual([1, 1, 1, 0.2, 0.1, 0, 0, 0, 0])
    const view = (text: string) => environment.view(environment.step(state, text).state)
    expect(environment.render(state)).toBe('countdown 3 5 7=36?')
    expect(view('(3*5=15)+7=22<3*(5+7=12)=36')).toBe('countdown 3 5 7=36? (3*5=15)+7=22<3*(5+7=12)=36 → 36 ✓')
    expect(environment.answer?.(environment.step(state, '(3*5=15)+7=22<3*(5+7=12)=36').state)).toBe('3*(5+7)')
  })

  test('says in one line when its options leave nothing to pose', () => {
    const impossible = environmentNamed('countdown', { operations: ['*'], numbers: 5, largestNumber: 100, largestTarget: 10 })
    expect(() => impossible.sample(0, 'train')).toThrow('these options leave hardly a train task with a whole target up to 10; raise largestTarget or largestNumber, or allow other operations')
  })
})
