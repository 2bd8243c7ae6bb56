/** What a sum comes to, and how a person would get there. */

export type Operation = '+' | '-' | '*'

export interface Sum {
  readonly left: number
  readonly operation: Operation
  readonly right: number
  /** Absent: none. */
  readonly more?: readonly { readonly operation: Operation; readonly operand: number }[]
}

interface Step {
  readonly left: number
  readonly operation: Operation
  readonly right: number
}

export function valueOf(sum: Sum): number {
  const steps = stepsOf(sum)
  return resultOf(steps.at(-1)!)
}

/** Every step in the order of evaluation, each cut along the digits of its second number: `37*40=1480 37*8=296 1480+296=1776`. */
export function working(sum: Sum): string {
  return stepsOf(sum).map(shown).join(' ')
}

/** Products first, then from left to right. */
function stepsOf({ left, operation, right, more = [] }: Sum): Step[] {
  const operands = [left, right, ...more.map(({ operand }) => operand)]
  const operations = [operation, ...more.map(next => next.operation)]
  const steps: Step[] = []
  for (const isProduct of [true, false]) {
    for (let at = 0; at < operations.length; ) {
      if ((operations[at] === '*') !== isProduct) {
        at++
        continue
      }
      const step = { left: operands[at]!, operation: operations[at]!, right: operands[at + 1]! }
      steps.push(step)
      operands.splice(at, 2, resultOf(step))
      operations.splice(at, 1)
    }
  }
  return steps
}

function resultOf({ left, operation, right }: Step): number {
  switch (operation) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
  }
}

function shown({ left, operation, right }: Step): string {
  const parts = placesOf(right)
  if (operation === '*') {
    const products = parts.map(part => ({ left, operation, right: part }))
    const [first, ...others] = products.map(resultOf)
    let total = first!
    const sums = others.map(product => {
      const step: Step = { left: total, operation: '+', right: product }
      total = resultOf(step)
      return step
    })
    return [...products, ...sums].map(written).join(' ')
  }
  let total = left
  return parts
    .map(part => {
      const step = { left: total, operation, right: part }
      total = resultOf(step)
      return written(step)
    })
    .join(' ')
}

/** 408 is 400 and 8; 0 is 0. */
function placesOf(number: number): number[] {
  const digits = String(number)
  const places = Array.from(digits, (digit, index) => Number(digit) * 10 ** (digits.length - 1 - index)).filter(place => place > 0)
  return places.length === 0 ? [0] : places
}

function written(step: Step): string {
  return `${step.left}${step.operation}${step.right}=${resultOf(step)}`
}
