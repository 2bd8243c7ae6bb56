/** One way to combine all given numbers, drawn at random: of any two that are left, with any operation. */
import type { Rng } from '../../random/rng.ts'
import { combine, numberPart, type Part } from './part.ts'
import type { Operation } from './rational.ts'

/** @returns undefined where the draws divide by zero */
export function randomWay(numbers: readonly number[], operations: readonly Operation[], rng: Rng): Part | undefined {
  const parts = numbers.map(numberPart)
  while (parts.length > 1) {
    const [a] = parts.splice(rng.below(parts.length), 1)
    const [b] = parts.splice(rng.below(parts.length), 1)
    const combined = combine(operations[rng.below(operations.length)]!, a!, b!)
    if (combined === undefined) return undefined
    parts.push(combined)
  }
  return parts[0]
}
