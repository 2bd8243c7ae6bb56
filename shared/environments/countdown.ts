import { createRng } from '../random/rng.ts'
import { v } from '../protocol/schema.ts'
import { lastAttempt } from './countdown/attempts.ts'
import { readExpression, type ReadExpression } from './countdown/expression.ts'
import { randomWay } from './countdown/random-way.ts'
import { equals, isWhole, OPERATIONS, rationalText, whole } from './countdown/rational.ts'
import { solve } from './countdown/solver.ts'
import { workedSearch } from './countdown/worked-search.ts'
import { EnvironmentError } from './environment-error.ts'
import type { Environment, Split } from './environment.ts'
import { answered, type SingleTurnState } from './single-turn.ts'

export const countdownOptions = v.strictObject({
  /** How many are given. */
  numbers: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(5)), 3),
  /** Given numbers are whole, in [1, largestNumber]. */
  largestNumber: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(100)), 9),
  /** Targets are whole, in [1, largestTarget]. */
  largestTarget: v.optional(v.pipe(v.number(), v.integer(), v.minValue(10), v.maxValue(9_999)), 99),
  operations: v.optional(v.pipe(v.array(v.picklist(OPERATIONS)), v.minLength(1), v.maxLength(4)), ['+', '-', '*']),
  /** Every number has to be used, as against any of them. */
  useAll: v.optional(v.boolean(), true),
  /** The answer may be preceded by attempts that failed: the last one counts. */
  scratchpad: v.optional(v.boolean(), false)
})
export type CountdownOptions = v.InferOutput<typeof countdownOptions>

export interface CountdownTask {
  readonly numbers: readonly number[]
  readonly target: number
}

/** Draws for one task, after which the options are to blame. */
const MOST_DRAWS = 20_000
/** One task in this many is held out. */
const HELD_OUT_SHARE = 8
/** For an expression, whatever numbers it uses; and for one that keeps the rules and misses the target (as TinyZero and others grade it). */
const FORMAT_REWARD = 0.1
const VALID_REWARD = 0.2

/**
 * `countdown 3 5 7=36:` is answered by an expression, `3*(5+7)`, whose exact value is the target and which uses each number once.
 * With a scratchpad the prompt is `countdown 3 5 7=36?`, and the action may be `(3*5=15)+7=22<3*(5+7=12)=36`.
 */
export function countdown(options: CountdownOptions): Environment<CountdownTask, SingleTurnState<CountdownTask>> {
  const { numbers: count, largestNumber, largestTarget, operations, useAll, scratchpad } = options
  const question = ({ numbers, target }: CountdownTask): string => `countdown ${numbers.join(' ')}=${target}${scratchpad ? '?' : ':'}`
  const read = ({ numbers }: CountdownTask, action: string): ReadExpression => readExpression(scratchpad ? lastAttempt(action) : action, { numbers, operations, useAll })
  return {
    name: 'countdown',
    sample: (seed, split) => {
      const rng = createRng(`countdown/${seed}`)
      for (let draw = 0; draw < MOST_DRAWS; draw++) {
        const numbers = Array.from({ length: count }, () => 1 + rng.below(largestNumber))
        const reached = randomWay(numbers, operations, rng)?.value
        if (reached === undefined || !isWhole(reached) || reached.numerator < 1 || reached.numerator > largestTarget) continue
        const task = { numbers, target: reached.numerator }
        if (splitOf(task) === split) return task
      }
      throw new EnvironmentError(`environment "countdown": these options leave hardly a ${split} task with a whole target up to ${largestTarget}; raise largestTarget or largestNumber, or allow other operations`)
    },
    start: task => ({ task }),
    render: ({ task }) => question(task),
    step: (state, action) => {
      const answer = read(state.task, action)
      const success = answer.kind === 'value' && equals(answer.value, whole(state.task.target))
      const reward = success ? 1 : answer.kind === 'value' ? VALID_REWARD : answer.syntax ? FORMAT_REWARD : 0
      return answered(state, action, reward, success)
    },
    view: ({ task, answer }) => {
      if (answer === undefined) return `${question(task)} ?`
      const said = read(task, answer)
      if (said.kind === 'refused') return `${question(task)} ${answer} ✗ (${said.code} at ${said.position})`
      return `${question(task)} ${answer}${scratchpad ? ' →' : ' ='} ${rationalText(said.value)} ${equals(said.value, whole(task.target)) ? '✓' : '✗'}`
    },
    answer: ({ answer = '' }) => (scratchpad ? lastAttempt(answer) : answer),
    demonstrate: ({ task }) => {
      if (scratchpad) return workedSearch(task.numbers, task.target, operations, createRng(`countdown search/${task.numbers.join()}=${task.target}`)).join('')
      const solution = solve(task.numbers, task.target, { operations, useAll })
      if (solution === undefined) throw new Error(`countdown: no way from ${task.numbers.join(', ')} to ${task.target}`)
      return solution
    }
  }
}

/** The split of a task, by its numbers in any order and its target. */
export function splitOf({ numbers, target }: CountdownTask): Split {
  return createRng(`countdown split/${numbers.toSorted((a, b) => a - b).join()}=${target}`).below(HELD_OUT_SHARE) === 0 ? 'held-out' : 'train'
}
