import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { splitOf as arithmeticSplit, type ArithmeticTask } from './arithmetic.ts'
import { EnvironmentError, environmentNamed } from './environments.ts'
import type { Environment } from './environment.ts'
import type { GuessState, GuessTask } from './guess.ts'
import { splitOf as reverseSplit, type ReverseTask } from './reverse.ts'
import { runs } from '../testing/property-runs.ts'

const split = fc.constantFrom('train' as const, 'held-out' as const)

function score(environment: Environment, task: unknown, action: string): { reward: number; success: boolean } {
  const { reward, info } = environment.step(environment.start(task), action)
  return { reward, success: info.success }
}

describe.each(['arithmetic', 'countdown', 'reverse'])('%s', name => {
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
        fc.pre(!wrong.success || name !== 'countdown')
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
})

test.each(['arithmetic', 'reverse'])('%s shows people the question, the answer and the right answer of a wrong one', name => {
  const environment = environmentNamed(name)
  const task = environment.sample(2, 'train')
  const start = environment.start(task)
  const right = environment.demonstrate!(start)
  expect(environment.view(start)).toBe(`${environment.render(start)}?`)
  expect(environment.view(environment.step(start, right).state)).toBe(`${environment.render(start)}${right} ✓`)
  expect(environment.view(environment.step(start, 'x').state)).toBe(`${environment.render(start)}x ✗ (${right})`)
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

describe('arithmetic of several operands and with a scratchpad', () => {
  const options = { operations: ['+', '-', '*'], operands: 4, scratchpad: true }
  const environment = environmentNamed('arithmetic', options)

  test('keeps products before sums and results whole and not negative; demonstrations are right', () => {
    fc.assert(
      fc.property(fc.nat(), split, (seed, split) => {
        const state = environment.start(environment.sample(seed, split))
        const prompt = environment.render(state)
        expect(prompt).toMatch(/^\d\d([+*-]\d\d){3}\?$/)
        const action = environment.demonstrate!(state)
        expect(environment.step(state, action)).toMatchObject({ done: true, reward: 1, info: { success: true } })
        const value = Number(action.slice(action.lastIndexOf('=') + 1))
        expect(environment.answer!(environment.step(state, action).state)).toBe(String(value).padStart(8, '0'))
        // Every step of the working is true.
        for (const written of action.split(' ').slice(0, -1)) {
          const [, left, symbol, right, result] = /^(-?\d+)([+*-])(-?\d+)=(-?\d+)$/.exec(written)!.map(part => part)
          expect(symbol === '+' ? Number(left) + Number(right) : symbol === '-' ? Number(left) - Number(right) : Number(left) * Number(right)).toBe(Number(result))
        }
      })
    )
  })

  test.each([
    [{ left: 37, operation: '*' as const, right: 48 }, '37*40=1480 37*8=296 1480+296=1776 =00001776'],
    [{ left: 90, operation: '-' as const, right: 1, more: [{ operation: '*' as const, operand: 20 }] }, '1*20=20 90-20=70 =00000070'],
    [{ left: 5, operation: '+' as const, right: 0 }, '5+0=5 =00000005']
  ])('works %j out like a person', (task, expected) => {
    expect(environment.demonstrate!(environment.start(task))).toBe(expected)
  })

  test('judges what follows the last =, whatever comes before it', () => {
    const task = { left: 5, operation: '+' as const, right: 7 }
    expect(score(environment, task, '=00000012').success).toBe(true)
    expect(score(environment, task, 'a=b=c 5+7=11 =00000012').success).toBe(true)
    expect(score(environment, task, '00000012').success).toBe(true)
    expect(score(environment, task, '=00000012 =').success).toBe(false)
    expect(environment.view(environment.step(environment.start(task), '5+7=13 =00000013').state)).toBe('05+07? 5+7=13 =00000013 ✗ (00000012)')
  })
})

describe('questions', () => {
  const data = Array.from({ length: 64 }, (_, n) => ({ question: `How much is ${n} thousand and 1?`, answer: `It is n thousands.\n#### ${n},001` }))
  const environment = environmentNamed('questions', { questions: data })

  test('draws from one split only, by the question’s text', () => {
    const drawn = (split: 'train' | 'held-out') => new Set(Array.from({ length: 400 }, (_, seed) => (environment.sample(seed, split) as { question: string }).question))
    const [train, heldOut] = [drawn('train'), drawn('held-out')]
    expect(heldOut.size).toBeGreaterThan(1)
    expect([...heldOut].filter(question => train.has(question))).toEqual([])
  })

  test.each([
    ['so it is\n#### 7,001', 1, true],
    ['#### 7001', 1, true],
    ['7001', 1, true],
    [' $7,001 ', 1, true],
    ['#### 7001 #### 7002', 0.1, false],
    ['#### ', 0.1, false],
    ['7002', 0, false],
    ['', 0, false]
  ])('rewards %j with %d', (text, reward, success) => {
    expect(score(environment, data[7], text)).toEqual({ reward, success })
  })

  test('shows the question and what would have been right', () => {
    expect(environment.render(environment.start(data[7]))).toBe('How much is 7 thousand and 1?\nanswer:')
    expect(environment.view(environment.step(environment.start(data[7]), '8').state)).toBe('How much is 7 thousand and 1?\n8 ✗ (7001)')
  })

  test('needs enough of them for both splits', () => {
    expect(() => environmentNamed('questions', { questions: data.slice(0, 1) })).toThrow(/none of the 1 questions is in the (train|held-out) split/)
  })
})

describe('guess', () => {
  const environment = environmentNamed('guess') as Environment<GuessTask, GuessState>

  function played(secret: number, guesses: readonly string[]) {
    let state = environment.start({ secret })
    const shown = [environment.render(state)]
    let reward = 0
    let last = environment.step(state, guesses[0]!)
    for (const [turn] of guesses.entries()) {
      if (turn > 0) last = environment.step(state, guesses[turn]!)
      state = last.state
      reward += last.reward
      if (!last.done) shown.push(environment.render(state))
    }
    return { ...last, shown, total: reward }
  }

  test('answers higher and lower, earns all of 1 when found, and ends', () => {
    const { shown, total, done, info, state } = played(12, ['10', '15', ' 12 '])
    expect(shown).toEqual(['guess 1-20:', 'higher:', 'lower:'])
    expect({ total, done, info }).toEqual({ total: 1, done: true, info: { success: true, metrics: { guesses: 3 } } })
    expect(environment.view(state)).toBe('guess 1-20: 10 higher: 15 lower:  12  ✓')
    expect(() => environment.step(state, '12')).toThrow('the game is over')
  })

  test('pays for sensible guesses only, and ends when they are used up', () => {
    const { shown, total, done, info, state } = played(12, ['twelve', '-1', '99', '10', '10'])
    expect(shown).toEqual(['guess 1-20:', 'a number:', 'a number:', 'lower:', 'higher:'])
    expect({ total, done, success: info.success }).toEqual({ total: 0.1, done: true, success: false })
    expect(environment.view(state)).toBe('guess 1-20: twelve a number: -1 a number: 99 lower: 10 higher: 10 higher: ✗ (12)')
  })

  test('is always found by its demonstration, and any play earns between 0 and 1', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), fc.nat(), fc.array(fc.oneof(fc.string(), fc.integer({ min: 0, max: 301 }).map(String)), { minLength: 9, maxLength: 9 }), (largest, seed, texts) => {
        const environment = environmentNamed('guess', { largest }) as Environment<GuessTask, GuessState>
        const play = (action: (state: GuessState, turn: number) => string) => {
          let state = environment.start(environment.sample(seed, 'train'))
          for (let total = 0, turn = 0; ; turn++) {
            const { state: next, done, reward, info } = environment.step(state, action(state, turn))
            total += reward
            state = next
            if (done) return { total, success: info.success }
          }
        }
        expect(play(state => environment.demonstrate!(state))).toMatchObject({ success: true, total: expect.closeTo(1, 9) })
        const garbage = play((_, turn) => texts[turn % texts.length]!)
        expect(garbage.total).toBeGreaterThanOrEqual(0)
        expect(garbage.total).toBeLessThanOrEqual(garbage.success ? 1 + 1e-9 : 0.5 + 1e-9)
      })
    )
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
    ['chess', {}, 'environment "chess" is unknown; use one of: arithmetic, countdown, guess, holdem, questions, reverse, sokoban-tiny, sokoban-1, sokoban-2'],
    ['arithmetic', { digits: 2 }, 'environment "arithmetic": option digits is unknown'],
    ['arithmetic', { largestOperand: 'ten' }, 'environment "arithmetic": option largestOperand must be number'],
    ['reverse', { length: 1 }, 'environment "reverse": option length must be >=2'],
    ['questions', {}, 'environment "questions" has no questions; name a JSONL file of {"question", "answer"} as file in [environment]'],
    ['countdown', { operations: ['%'] }, 'environment "countdown": option operations.0 must be ("+" | "-" | "*" | "/")'],
    ['reverse', 7, 'environment "reverse": the options must be Object']
  ])('refuses %s with options %j in one line', (name, options, line) => {
    expect(() => environmentNamed(name, options)).toThrow(new EnvironmentError(line))
  })
})
