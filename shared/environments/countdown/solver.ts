/** Finds an expression for a target by trying all ways to combine the numbers, two at a time. */
import { combine, numberPart, type Part } from './part.ts'
import { equals, whole, type Operation, type Rational } from './rational.ts'

export interface SolverRules {
  readonly operations: readonly Operation[]
  readonly useAll: boolean
}

/** @returns undefined where there is none */
export function solve(numbers: readonly number[], target: number, rules: SolverRules): string | undefined {
  return search(numbers.map(numberPart), whole(target), rules, new Set())
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
