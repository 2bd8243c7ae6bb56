import { createRng } from '../random/rng.ts'
import { v } from '../protocol/schema.ts'
import type { Environment, Split } from './environment.ts'
import { answered, viewAnswer, type SingleTurnState } from './single-turn.ts'

const operation = v.picklist(['+', '-'])

export const arithmeticOptions = v.strictObject({
  /** Operands are whole numbers in [0, largestOperand]. */
  largestOperand: v.optional(v.pipe(v.number(), v.integer(), v.minValue(9), v.maxValue(9_999)), 99),
  operations: v.optional(v.pipe(v.array(operation), v.minLength(1), v.maxLength(2)), ['+', '-'])
})
export type ArithmeticOptions = v.InferOutput<typeof arithmeticOptions>

export interface ArithmeticTask {
  readonly left: number
  readonly operation: '+' | '-'
  /** At most `left` in a subtraction: results are never negative. */
  readonly right: number
}

/** One problem in this many is held out. */
const HELD_OUT_SHARE = 8

/** Reward of a wrong answer whose every character but one could be right; keeps any wrong answer below a right one. */
const PARTIAL_CREDIT = 0.5

/**
 * Addition and subtraction, written `37+08=`; the action is the result in decimal, `045`. Leading zeros give every number of a
 * kind the same width, so that ones always stand at the same place: a small model then learns the carry instead of the layout.
 * Reward: 1 when exact, else half the share of characters that are right at their decimal place (ones under ones).
 */
export function arithmetic(options: ArithmeticOptions): Environment<ArithmeticTask, SingleTurnState<ArithmeticTask>> {
  const digits = String(options.largestOperand).length
  const written = (operand: number): string => String(operand).padStart(digits, '0')
  const question = ({ left, operation, right }: ArithmeticTask): string => `${written(left)}${operation}${written(right)}=`
  // A sum may need one digit more than its operands.
  const result = ({ left, operation, right }: ArithmeticTask): string => String(operation === '+' ? left + right : left - right).padStart(digits + 1, '0')
  return {
    name: 'arithmetic',
    sample: (seed, split) => {
      const rng = createRng(`arithmetic/${seed}`)
      for (;;) {
        const operation = options.operations[rng.below(options.operations.length)]!
        const first = rng.below(options.largestOperand + 1)
        const second = rng.below(options.largestOperand + 1)
        const swap = operation === '-' && first < second
        const task = { left: swap ? second : first, operation, right: swap ? first : second }
        if (splitOf(task) === split) return task
      }
    },
    start: task => ({ task }),
    render: ({ task }) => question(task),
    step: (state, action) => {
      const expected = result(state.task)
      const success = action === expected
      return answered(state, action, success ? 1 : PARTIAL_CREDIT * placesRight(action, expected), success)
    },
    view: ({ task, answer }) => viewAnswer(question(task), answer, result(task)),
    demonstrate: ({ task }) => result(task)
  }
}

/**
 * The split that a problem belongs to, by a hash of the problem alone. A sum and its mirror image share a split:
 * otherwise 48+37 in training would give 37+48 away.
 */
export function splitOf(task: ArithmeticTask): Split {
  const mirrored = task.operation === '+' && task.left > task.right
  const [first, second] = mirrored ? [task.right, task.left] : [task.left, task.right]
  return createRng(`arithmetic split/${first}${task.operation}${second}`).below(HELD_OUT_SHARE) === 0 ? 'held-out' : 'train'
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
