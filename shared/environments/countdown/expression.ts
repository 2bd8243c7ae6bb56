/**
 * Reads arithmetic expressions over given numbers, by recursive descent, with exact values:
 *
 *     expression = term { ("+" | "-") term }
 *     term       = factor { ("*" | "/") factor }
 *     factor     = number | "(" expression ")"
 *
 * There is no sign: `-3` is not a number. White space may stand between parts. Whatever else stands there is refused by a code and
 * the place of the first character that is wrong.
 */
import { apply, OPERATIONS, whole, type Operation, type Rational } from './rational.ts'

export const EXPRESSION_FAULTS = [
  'too_long',
  'too_deep',
  'unexpected_character',
  /** Something else stands where a number or `(` is due. */
  'number_expected',
  /** Something else stands where an operation, `)` or the end is due. */
  'operation_expected',
  'unclosed_parenthesis',
  'operation_not_allowed',
  'number_not_given',
  /** More often than it was given. */
  'number_used_up',
  /** At the end of the text. */
  'number_unused',
  'division_by_zero'
] as const
export type ExpressionFault = (typeof EXPRESSION_FAULTS)[number]

export type ReadExpression =
  | { readonly kind: 'value'; readonly value: Rational }
  /** `syntax`: whether the text is an expression at all, whatever numbers and operations it uses. */
  | { readonly kind: 'refused'; readonly code: ExpressionFault; readonly position: number; readonly syntax: boolean }

export interface ExpressionRules {
  readonly numbers: readonly number[]
  readonly operations: readonly Operation[]
  /** Every number has to be used; otherwise as many as one likes. */
  readonly useAll: boolean
}

/** One operation of an expression. */
export interface ExpressionStep {
  readonly left: Rational
  readonly operation: Operation
  readonly right: Rational
  readonly result: Rational
}

const MOST_CHARACTERS = 256
const DEEPEST = 32

class Refusal extends Error {
  readonly code: ExpressionFault
  readonly position: number

  constructor(code: ExpressionFault, position: number) {
    super(code)
    this.code = code
    this.position = position
  }
}

/** @param computed is told of every operation, in their order */
export function readExpression(text: string, rules: ExpressionRules, computed: (step: ExpressionStep) => void = () => {}): ReadExpression {
  const reader = new Reader(text, rules, computed)
  try {
    const value = reader.read()
    const [fault] = reader.faults
    return fault === undefined ? { kind: 'value', value } : { kind: 'refused', ...fault, syntax: true }
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', code: error.code, position: error.position, syntax: false }
    throw error
  }
}

class Reader {
  /** Of an expression that can be read, against the rules; in the order of their places. */
  readonly faults: { readonly code: ExpressionFault; readonly position: number }[] = []
  readonly #text: string
  readonly #rules: ExpressionRules
  readonly #computed: (step: ExpressionStep) => void
  readonly #left: number[]
  #at = 0
  #depth = 0

  constructor(text: string, rules: ExpressionRules, computed: (step: ExpressionStep) => void) {
    this.#text = text
    this.#rules = rules
    this.#computed = computed
    this.#left = [...rules.numbers]
  }

  /** @throws {Refusal} where the text is no expression */
  read(): Rational {
    if (this.#text.length > MOST_CHARACTERS) throw new Refusal('too_long', MOST_CHARACTERS)
    const value = this.#expression()
    if (this.#at < this.#text.length) throw new Refusal(this.#isKnown() ? 'operation_expected' : 'unexpected_character', this.#at)
    if (this.#rules.useAll && this.#left.length > 0) this.#fault('number_unused', this.#at)
    return value
  }

  #expression(): Rational {
    return this.#chain(['+', '-'], () => this.#term())
  }

  #term(): Rational {
    return this.#chain(['*', '/'], () => this.#factor())
  }

  /** Operations of one rank, from left to right. */
  #chain(operations: readonly Operation[], operand: () => Rational): Rational {
    let value = operand()
    for (;;) {
      const position = this.#at
      const operation = operations.find(symbol => symbol === this.#text[position])
      if (operation === undefined) return value
      this.#advance()
      if (!this.#rules.operations.includes(operation)) this.#fault('operation_not_allowed', position)
      const right = operand()
      const result = apply(operation, value, right)
      if (result === undefined) this.#fault('division_by_zero', position)
      else this.#computed({ left: value, operation, right, result })
      value = result ?? whole(0)
    }
  }

  #factor(): Rational {
    this.#skipSpace()
    const position = this.#at
    if (this.#text[position] === '(') return this.#parenthesis(position)
    const digits = /^[0-9]+/.exec(this.#text.slice(position))?.[0]
    if (digits === undefined) throw new Refusal(position === this.#text.length || this.#isKnown() ? 'number_expected' : 'unexpected_character', position)
    this.#advance(digits.length)
    return whole(this.#use(Number(digits), position))
  }

  #parenthesis(position: number): Rational {
    if (++this.#depth > DEEPEST) throw new Refusal('too_deep', position)
    this.#advance()
    const value = this.#expression()
    if (this.#text[this.#at] !== ')') throw new Refusal(this.#at === this.#text.length ? 'unclosed_parenthesis' : this.#isKnown() ? 'operation_expected' : 'unexpected_character', this.#at)
    this.#advance()
    this.#depth--
    return value
  }

  /** @returns a number that is worth something in any case: what is wrong with it is noted */
  #use(number: number, position: number): number {
    const { numbers } = this.#rules
    const place = this.#left.indexOf(number)
    if (place >= 0) this.#left.splice(place, 1)
    else this.#fault(numbers.includes(number) ? 'number_used_up' : 'number_not_given', position)
    return place >= 0 ? number : 1
  }

  #fault(code: ExpressionFault, position: number): void {
    this.faults.push({ code, position })
  }

  /** Whether the character here is one that expressions have. */
  #isKnown(): boolean {
    const character = this.#text[this.#at]!
    return /[0-9()]/.test(character) || OPERATIONS.some(symbol => symbol === character)
  }

  #advance(characters = 1): void {
    this.#at += characters
    this.#skipSpace()
  }

  #skipSpace(): void {
    while (this.#text[this.#at] === ' ') this.#at++
  }
}
