/**
 * Attempts in their order, each with what its operations are said to come to and, where that is not the target, whether it is more or less:
 * `(3*5=15)+7=22<(7+5=12)*3=36`.
 */
import type { Rational } from './rational.ts'

/** How what an attempt comes to stands to the target. */
export type Comparison = '<' | '=' | '>'

const BETWEEN = /(?<=[<>])/
const COMPARISON = /([<>])$/
const CLAIM = /=(-?\d+(?:\/\d+)?)/g
const LAST_CLAIM = new RegExp(`${CLAIM.source}$`)

export function compare({ numerator, denominator }: Rational, target: number): Comparison {
  const difference = numerator - target * denominator
  return difference === 0 ? '=' : difference < 0 ? '<' : '>'
}

export function writeAttempt(worked: string, comparison: Comparison): string {
  return comparison === '=' ? worked : `${worked}${comparison}`
}

export interface Attempt {
  /** As it was written, the comparison with it. */
  readonly text: string
  /** Without claims and comparison. */
  readonly expression: string
  /** What all of it is said to come to; undefined where nothing is said. */
  readonly claimed: string | undefined
  /** How it is said to compare with the target: `=` where nothing is said. */
  readonly compared: Comparison
}

/** @returns at least one */
export function readAttempts(action: string): Attempt[] {
  return action.split(BETWEEN).map(text => {
    const worked = text.replace(COMPARISON, '')
    const compared = COMPARISON.exec(text)?.[1] as Comparison | undefined
    return { text, expression: worked.replaceAll(CLAIM, ''), claimed: LAST_CLAIM.exec(worked)?.[1], compared: compared ?? '=' }
  })
}

/** The expression of the last attempt: what it is said to come to is the policy's own affair. */
export function lastAttempt(action: string): string {
  return readAttempts(action).at(-1)!.expression
}
