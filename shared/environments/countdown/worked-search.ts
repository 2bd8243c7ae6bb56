/** A search as it is written down: whoever imitates it learns to begin anywhere, to see whether a last operation reaches the target, and to give up in time. */
import type { Rng } from '../../random/rng.ts'
import { combine, numberPart, type Part } from './part.ts'
import { combineAtRandom } from './random-way.ts'
import { equals, whole, type Operation } from './rational.ts'

/** The last one is written to its end, whatever it comes to. */
const MOST_ATTEMPTS = 6
const MOST_DRAWS = 1_000

/**
 * Combines numbers at random until two parts are left. Where an operation on these gives the target, that ends the search; otherwise the parts are
 * left as they are, `(5*7=35)`, and it begins again elsewhere.
 * @param numbers at least two
 * @returns attempts, as they are written
 */
export function workedSearch(numbers: readonly number[], target: number, operations: readonly Operation[], rng: Rng): string[] {
  const attempts: string[] = []
  for (let draw = 0; draw < MOST_DRAWS; draw++) {
    const parts = combineAtRandom(numbers.map(numberPart), 2, operations, rng)
    if (parts === undefined || parts.some(({ value }) => value.numerator < 0)) continue
    const ends = completions(parts, operations)
    const hit = ends.find(({ value }) => equals(value, whole(target)))
    if (hit !== undefined) return [...attempts, hit.worked]
    const begun = parts.filter(({ rank }) => rank > 0).map(({ worked }) => `(${worked})`)
    if (begun.every(attempt => attempts.includes(attempt))) continue
    if (attempts.length + begun.length < MOST_ATTEMPTS) attempts.push(...begun)
    else return [...attempts, ends[rng.below(ends.length)]!.worked]
  }
  return attempts
}

/** All ways to combine the last two; first those that go on from what was worked. */
function completions(parts: readonly Part[], operations: readonly Operation[]): Part[] {
  const [a, b] = parts.toSorted((one, other) => other.rank - one.rank)
  return [...operations.map(operation => combine(operation, a!, b!)), ...operations.map(operation => combine(operation, b!, a!))].filter(part => part !== undefined)
}
