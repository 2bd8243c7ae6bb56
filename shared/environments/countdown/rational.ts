/** Exact fractions of whole numbers. Countdown's stay far below 2⁵³: six numbers of three digits. */
export interface Rational {
  readonly numerator: number
  /** At least 1; shares no factor with the numerator. */
  readonly denominator: number
}

export const OPERATIONS = ['+', '-', '*', '/'] as const
export type Operation = (typeof OPERATIONS)[number]

export function whole(numerator: number): Rational {
  return { numerator, denominator: 1 }
}

/** @returns undefined for a division by zero */
export function apply(operation: Operation, a: Rational, b: Rational): Rational | undefined {
  switch (operation) {
    case '+':
      return reduced(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator)
    case '-':
      return reduced(a.numerator * b.denominator - b.numerator * a.denominator, a.denominator * b.denominator)
    case '*':
      return reduced(a.numerator * b.numerator, a.denominator * b.denominator)
    case '/':
      return b.numerator === 0 ? undefined : reduced(a.numerator * b.denominator, a.denominator * b.numerator)
  }
}

export function isWhole({ denominator }: Rational): boolean {
  return denominator === 1
}

export function equals(a: Rational, b: Rational): boolean {
  return a.numerator === b.numerator && a.denominator === b.denominator
}

/** `7/2`, or `3` where it is whole. */
export function rationalText({ numerator, denominator }: Rational): string {
  return denominator === 1 ? String(numerator) : `${numerator}/${denominator}`
}

function reduced(numerator: number, denominator: number): Rational {
  const sign = denominator < 0 ? -1 : 1
  const divisor = greatestCommonDivisor(Math.abs(numerator), Math.abs(denominator)) * sign
  // Adding 0 turns -0 into 0.
  return { numerator: numerator / divisor + 0, denominator: denominator / divisor }
}

function greatestCommonDivisor(a: number, b: number): number {
  let [larger, smaller] = [a, b]
  while (smaller !== 0) [larger, smaller] = [smaller, larger % smaller]
  return Math.max(1, larger)
}
