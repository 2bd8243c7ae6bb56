/** Ways to combine given numbers, drawn at random: any two that are left, with any operation. */
import type { Rng } from '../../random/rng.ts'
import { combine, numberPart, type Part } from './part.ts'
import type { Operation, Rational } from './rational.ts'

/** @returns a way to combine all of them; undefined where the draws divide by zero */
export function randomWay(numbers: readonly number[], operations: readonly Operation[], rng: Rng): Part | undefined {
  return combineAtRandom(numbers.map(numberPart), 1, operations, rng)?.[0]
}

/** @returns `count` parts that are left of `parts`; undefined where the draws divide by zero */
export function combineAtRandom(parts: readonly Part[], count: number, operations: readonly Operation[], rng: Rng): Part[] | undefined {
  const left = [...parts]
  while (left.length > count) {
    const [a] = left.splice(rng.below(left.length), 1)
    const [b] = left.splice(rng.below(left.length), 1)
    const combined = inOrder(operations[rng.below(operations.length)]!, a!, b!)
    if (combined === undefined) return undefined
    left.push(combined)
  }
  return left
}

/** The larger one first where either order is the same, so that it has one text. */
function inOrder(operation: Operation, a: Part, b: Part): Part | undefined {
  const swap = (operation === '+' || operation === '*') && isLess(a.value, b.value)
  return swap ? combine(operation, b, a) : combine(operation, a, b)
}

function isLess(a: Rational, b: Rational): boolean {
  return a.numerator * b.denominator < b.numerator * a.denominator
}
