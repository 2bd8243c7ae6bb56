/** A search as it is written down: whoever imitates it learns to begin in some order, to come close to the target, and to stop where it is reached. */
import { combine, numberPart, type Part } from './part.ts'
import { equals, whole, type Operation, type Rational } from './rational.ts'

/** So many ways there are to combine two of three numbers by three operations, the larger one first. */
const MOST_ATTEMPTS = 9

/**
 * Combines numbers, in their order, until two parts are left, and these to what comes closest to the target: `(7*5=35)+3=38`. Where that is the
 * target the search ends; otherwise it begins again with the next.
 * @returns attempts, as they are written
 */
export function workedSearch(numbers: readonly number[], target: number, operations: readonly Operation[]): string[] {
  const attempts: string[] = []
  for (const parts of pairsOfParts(numbers.map(numberPart), operations)) {
    const [closest] = completions(parts, operations).toSorted((a, b) => distance(a.value, target) - distance(b.value, target))
    if (closest === undefined || attempts.includes(closest.worked)) continue
    attempts.push(closest.worked)
    if (attempts.length === MOST_ATTEMPTS || equals(closest.value, whole(target))) break
  }
  return attempts
}

function distance({ numerator, denominator }: Rational, target: number): number {
  return Math.abs(numerator / denominator - target)
}

/** All that the numbers may be combined to before the last operation, depth first. */
function* pairsOfParts(parts: readonly Part[], operations: readonly Operation[]): Generator<readonly Part[]> {
  if (parts.length <= 2) {
    yield parts
    return
  }
  for (const [first, a] of parts.entries()) {
    for (const [second, b] of parts.entries()) {
      if (second <= first) continue
      const rest = parts.filter((_, index) => index !== first && index !== second)
      for (const operation of operations) {
        const combined = isLess(a.value, b.value) ? combine(operation, b, a) : combine(operation, a, b)
        if (combined !== undefined) yield* pairsOfParts([...rest, combined], operations)
      }
    }
  }
}

function isLess(a: Rational, b: Rational): boolean {
  return a.numerator * b.denominator < b.numerator * a.denominator
}

/** All ways to combine the last two; first those that go on from what was worked. */
function completions(parts: readonly Part[], operations: readonly Operation[]): Part[] {
  const [a, b] = parts.toSorted((one, other) => other.rank - one.rank)
  return [...operations.map(operation => combine(operation, a!, b!)), ...operations.map(operation => combine(operation, b!, a!))].filter(part => part !== undefined)
}
