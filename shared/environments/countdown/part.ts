/** A part of an expression with its value, as the next operation takes it: with as few parentheses as it can do with. */
import { apply, rationalText, whole, type Operation, type Rational } from './rational.ts'

export interface Part {
  readonly value: Rational
  readonly text: string
  /** The same with what every operation comes to, `(5+7=12)*3=36`: each operand that is not a number in parentheses. */
  readonly worked: string
  /** 0: a number or in parentheses; 1: a product or quotient; 2: a sum or difference. */
  readonly rank: 0 | 1 | 2
}

export function numberPart(number: number): Part {
  return { value: whole(number), text: String(number), worked: String(number), rank: 0 }
}

/** @returns undefined for a division by zero */
export function combine(operation: Operation, a: Part, b: Part): Part | undefined {
  const value = apply(operation, a.value, b.value)
  if (value === undefined) return undefined
  const rank = operation === '+' || operation === '-' ? 2 : 1
  const left = a.rank > rank ? `(${a.text})` : a.text
  // What is taken away or divided by keeps its parentheses at the same rank, too.
  const isStrict = operation === '-' || operation === '/'
  const right = b.rank > rank || (isStrict && b.rank === rank) ? `(${b.text})` : b.text
  const worked = (part: Part): string => (part.rank === 0 ? part.worked : `(${part.worked})`)
  return { value, text: `${left}${operation}${right}`, worked: `${worked(a)}${operation}${worked(b)}=${rationalText(value)}`, rank }
}
