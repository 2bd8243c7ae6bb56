import type { ExpressionFault } from '#shared/environments/countdown/expression.ts'

/** Every sentence of answers that are shown as worked. */
export const workedMessages = {
  right: 'right',
  wrong: 'wrong',
  nothing: '(nothing)',
  isRight: (expected: string) => `${expected} is right`,
  comparesWrongly: (value: string, comparison: string, target: number) => `${value} ${comparison} ${target}`,
  widthMatters: (expected: string) => `${expected} is right, but not as it had to be written`,
  comesTo: (value: string) => `comes to ${value}`,
  againstRules: (value: string) => `comes to ${value}, but not by the rules of this run`,
  reach: (target: number, numbers: readonly number[]) => `Reach ${target} with ${numbers.join(', ')}`,
  misses: (value: string, target: number) => `comes to ${value}, not ${target}`,
  fault: {
    too_long: 'longer than an expression may be',
    too_deep: 'too many parentheses inside each other',
    unexpected_character: 'a character that no expression has',
    number_expected: 'a number is missing',
    operation_expected: 'an operation is missing',
    unclosed_parenthesis: 'a parenthesis is not closed',
    operation_not_allowed: 'an operation that is not allowed',
    number_not_given: 'a number that is not given',
    number_used_up: 'a number is used too often',
    number_unused: 'a number is not used',
    division_by_zero: 'a division by zero'
  } satisfies Record<ExpressionFault, string>,
  faultAt: (fault: string, place: number) => `${fault}, at character ${place}`,
  backwards: (word: string) => `${word} backwards`,
  guessFrom: (largest: number) => `A number from 1 to ${largest}`,
  open: (low: number, high: number) => (low === high ? `only ${low} is left` : `${low} to ${high} are left`),
  higher: 'higher',
  lower: 'lower',
  noNumber: 'no number',
  ruledOut: 'was ruled out before',
  found: 'found',
  notFound: 'not found'
}
