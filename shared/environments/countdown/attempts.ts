/** Attempts in their order, each with what its operations are said to come to; one that leads nowhere may be left unfinished: `(3*5=15);3*(5+7=12)=36`. */

const BETWEEN = ';'
const CLAIM = /=(-?\d+(?:\/\d+)?)/g
/** The claim of all of it, also where it is left in its parentheses. */
const LAST_CLAIM = new RegExp(`${CLAIM.source}\\)?$`)

export function writeAttempts(attempts: readonly string[]): string {
  return attempts.join(BETWEEN)
}

export interface Attempt {
  /** As it was written. */
  readonly text: string
  /** Without claims. */
  readonly expression: string
  /** What all of it is said to come to; undefined where nothing is said. */
  readonly claimed: string | undefined
}

export function readAttempts(action: string): Attempt[] {
  return action.split(BETWEEN).map(text => ({ text, expression: text.replaceAll(CLAIM, ''), claimed: LAST_CLAIM.exec(text)?.[1] }))
}

/** The expression of the last attempt: what it is said to come to is the policy's own affair. */
export function lastAttempt(action: string): string {
  return readAttempts(action).at(-1)!.expression
}
