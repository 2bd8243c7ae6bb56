import { createRng, type Rng } from '../random/rng.ts'
import { v } from '../protocol/schema.ts'
import { valueOf, working, type Sum } from './arithmetic-working.ts'
import type { Environment, Split } from './environment.ts'
import { answered, viewAnswer, type SingleTurnState } from './single-turn.ts'

const operation = v.picklist(['+', '-', '*'])

export const arithmeticOptions = v.strictObject({
  /** Operands are whole numbers in [0, largestOperand]. */
  largestOperand: v.optional(v.pipe(v.number(), v.integer(), v.minValue(9), v.maxValue(9_999)), 99),
  operations: v.optional(v.pipe(v.array(operation), v.minLength(1), v.maxLength(3)), ['+', '-']),
  /** Operands of one problem. Products come before sums. */
  operands: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(4)), 2),
  /** The answer may be preceded by a working: what follows its last `=` counts. */
  scratchpad: v.optional(v.boolean(), false)
})
export type ArithmeticOptions = v.InferOutput<typeof arithmeticOptions>

/** Its value is never negative. */
export type ArithmeticTask = Sum

/** One problem in this many is held out. */
const HELD_OUT_SHARE = 8

/** Reward of a wrong answer whose every character but one could be right; keeps any wrong answer below a right one. */
const PARTIAL_CREDIT = 0.5

/**
 * Sums, differences and products, written `37+08=`; the action is the result in decimal, `045`. Leading zeros give every number of a
 * kind the same width, so that ones always stand at the same place: a small model then learns the carry instead of the layout.
 * With a scratchpad the prompt is `37+08?`, and the action may be `37+8=45 =045`.
 * Reward: 1 when exact, else half the share of characters that are right at their decimal place (ones under ones).
 */
export function arithmetic(options: ArithmeticOptions): Environment<ArithmeticTask, SingleTurnState<ArithmeticTask>> {
  const digits = String(options.largestOperand).length
  const width = options.operations.includes('*') ? digits * options.operands : digits + 1
  const padded = (operand: number): string => String(operand).padStart(digits, '0')
  const question = ({ left, operation, right, more = [] }: ArithmeticTask): string =>
    `${padded(left)}${operation}${padded(right)}${more.map(({ operation, operand }) => operation + padded(operand)).join('')}${options.scratchpad ? '?' : '='}`
  const result = (task: ArithmeticTask): string => String(valueOf(task)).padStart(width, '0')
  const answerIn = (action: string): string => (options.scratchpad ? action.slice(action.lastIndexOf('=') + 1) : action)
  return {
    name: 'arithmetic',
    sample: (seed, split) => {
      const rng = createRng(`arithmetic/${seed}`)
      for (;;) {
        const task = drawn(options, rng)
        if (valueOf(task) >= 0 && splitOf(task) === split) return task
      }
    },
    start: task => ({ task }),
    render: ({ task }) => question(task),
    step: (state, action) => {
      const expected = result(state.task)
      const given = answerIn(action)
      const success = given === expected
      return answered(state, action, success ? 1 : PARTIAL_CREDIT * placesRight(given, expected), success)
    },
    view: ({ task, answer }) => {
      if (!options.scratchpad || answer === undefined) return viewAnswer(question(task), answer, result(task))
      const expected = result(task)
      return `${question(task)} ${answer} ${answerIn(answer) === expected ? '✓' : `✗ (${expected})`}`
    },
    answer: ({ answer = '' }) => answerIn(answer),
    demonstrate: ({ task }) => (options.scratchpad ? `${working(task)} =${result(task)}` : result(task))
  }
}

function drawn({ operations, largestOperand, operands }: ArithmeticOptions, rng: Rng): ArithmeticTask {
  const operation = operations[rng.below(operations.length)]!
  const first = rng.below(largestOperand + 1)
  const second = rng.below(largestOperand + 1)
  const swap = operation === '-' && first < second
  const pair = { left: swap ? second : first, operation, right: swap ? first : second }
  if (operands === 2) return pair
  const more = Array.from({ length: operands - 2 }, () => ({ operation: operations[rng.below(operations.length)]!, operand: rng.below(largestOperand + 1) }))
  return { ...pair, more }
}

/**
 * The split that a problem belongs to, by a hash of the problem alone. A sum or product of two and its mirror image share a split:
 * otherwise 48+37 in training would give 37+48 away.
 */
export function splitOf({ left, operation, right, more = [] }: ArithmeticTask): Split {
  const mirrored = more.length === 0 && operation !== '-' && left > right
  const [first, second] = mirrored ? [right, left] : [left, right]
  const rest = more.map(({ operation, operand }) => `${operation}${operand}`).join('')
  return createRng(`arithmetic split/${first}${operation}${second}${rest}`).below(HELD_OUT_SHARE) === 0 ? 'held-out' : 'train'
}

/** Share of places, out of the longer text's length, at which both texts agree when aligned at their ends. */
function placesRight(action: string, expected: string): number {
  const places = Math.max(action.length, expected.length)
  let right = 0
  for (let fromEnd = 1; fromEnd <= Math.min(action.length, expected.length); fromEnd++) {
    if (action.at(-fromEnd) === expected.at(-fromEnd)) right++
  }
  return right / places
}
