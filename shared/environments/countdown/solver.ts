/** Finds an expression for a target by trying all ways to combine the numbers, two at a time. */
import { apply, equals, whole, type Operation, type Rational } from './rational.ts'

interface Part {
  readonly value: Rational
  readonly text: string
  /** 0: a number or in parentheses; 1: a product or quotient; 2: a sum or difference. */
  readonly rank: 0 | 1 | 2
}

export interface SolverRules {
  readonly operations: readonly Operation[]
  readonly useAll: boolean
}

/** @returns undefined where there is none */
export function solve(numbers: readonly number[], target: number, rules: SolverRules): string | undefined {
  return search(numbers.map(number => ({ value: whole(number), text: String(number), rank: 0 })), whole(target), rules, new Set())
}

function search(parts: readonly Part[], target: Rational, rules: SolverRules, seen: Set<string>): string | undefined {
  const name = parts.map(({ value }) => `${value.numerator}/${value.denominator}`).toSorted().join()
  if (seen.has(name)) return undefined
  seen.add(name)
  if (parts.length === 1 || !rules.useAll) {
    const done = parts.find(({ value }) => equals(value, target))
    if (done !== undefined) return done.text
  }
  for (const [first, a] of parts.entries()) {
    for (const [second, b] of parts.entries()) {
      if (first === second) continue
      const rest = parts.filter((_, index) => index !== first && index !== second)
      for (const operation of rules.operations) {
        // Either order is the same.
        if ((operation === '+' || operation === '*') && second < first) continue
        const combined = combine(operation, a, b)
        const found = combined === undefined ? undefined : search([...rest, combined], target, rules, seen)
        if (found !== undefined) return found
      }
    }
  }
  return undefined
}

function combine(operation: Operation, a: Part, b: Part): Part | undefined {
  const value = apply(operation, a.value, b.value)
  if (value === undefined) return undefined
  const rank = operation === '+' || operation === '-' ? 2 : 1
  const left = a.rank > rank ? `(${a.text})` : a.text
  // What is taken away or divided by keeps its parentheses at the same rank, too.
  const isStrict = operation === '-' || operation === '/'
  const right = b.rank > rank || (isStrict && b.rank === rank) ? `(${b.text})` : b.text
  return { value, text: `${left}${operation}${right}`, rank }
}
