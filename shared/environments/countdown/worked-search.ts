/**
 * A careless and often impatient search as it is written down. Whoever imitates it learns to begin in some order, to reckon, and to stop where the target is
 * reached; that it pays to look closely and to go on is left to be learnt from rewards.
 */
import type { Rng } from '../../random/rng.ts'
import { compare, writeAttempt } from './attempts.ts'
import { combine, numberPart, type Part } from './part.ts'
import type { Operation, Rational } from './rational.ts'

/** So many ways there are to combine two of three numbers by three operations, the larger one first. */
const MOST_ATTEMPTS = 9
/** How many go on after their first attempt has failed, to the end; the others give up. */
const PATIENT = 0.42
/**
 * How often what comes closest to the target is seen by those who go on; a first attempt is a shot in the dark. If it always were, the target would be a
 * good guess at any value, and nobody would learn to reckon.
 */
const CARE = 0.5

/**
 * Combines numbers, in their order, until two parts are left, and these to what comes closest to the target, or to anything: `(7*5=35)+3=38`. Where that
 * is the target the search ends; otherwise it is given up, or begins again with the next.
 * @returns attempts, as they are written
 */
export function workedSearch(numbers: readonly number[], target: number, operations: readonly Operation[], rng: Rng): string[] {
  const attempts: string[] = []
  const tried = new Set<string>()
  const mostAttempts = rng.float() < PATIENT ? MOST_ATTEMPTS : 1
  for (const parts of pairsOfParts(numbers.map(numberPart), operations)) {
    const ends = completions(parts, operations).toSorted((a, b) => distance(a.value, target) - distance(b.value, target))
    const seen = attempts.length > 0 && rng.float() < CARE
    const end = ends[seen ? 0 : rng.below(Math.max(1, ends.length))]
    if (end === undefined || tried.has(end.worked)) continue
    tried.add(end.worked)
    const comparison = compare(end.value, target)
    attempts.push(writeAttempt(end.worked, comparison))
    if (attempts.length === mostAttempts || comparison === '=') break
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
