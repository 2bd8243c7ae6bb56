/** An expression that is to reach a target, taken apart; or attempts, each with a mark. Pure. */
import { compare, readAttempts, type Attempt } from '#shared/environments/countdown/attempts.ts'
import { readExpression, type ExpressionStep } from '#shared/environments/countdown/expression.ts'
import { equals, OPERATIONS, rationalText, whole, type Rational } from '#shared/environments/countdown/rational.ts'
import { wasSolved, type ShownEpisode } from '../session/shown-episode.ts'
import { workedMessages as text } from './worked-answer-messages.ts'
import { markOf, type WorkedAnswerView, type WorkedLine } from './worked-answer-view.ts'

const PROBLEM = /^countdown ((?:\d{1,3} ){1,4}\d{1,3})=(\d{1,4})([:?])$/
const SIGNS: Readonly<Record<(typeof OPERATIONS)[number], string>> = { '+': '+', '-': '−', '*': '×', '/': '÷' }

/** @returns undefined where the prompt is no such problem */
export function countdownView(episode: ShownEpisode): WorkedAnswerView | undefined {
  const { prompt, completion } = episode.turns[0]!
  const [, given, wanted, ending] = PROBLEM.exec(prompt) ?? []
  if (given === undefined) return undefined
  const numbers = given.split(' ').map(Number)
  const target = Number(wanted)
  const attempts: readonly Attempt[] = ending === '?' ? readAttempts(completion) : [{ text: completion, expression: completion, claimed: undefined, compared: '=' }]
  const { expression } = attempts.at(-1)!
  const solved = wasSolved(episode)
  // A page does not know which rules hold. Where the trainer has judged, unused numbers and all operations are its affair.
  const rules = { numbers, operations: OPERATIONS, useAll: solved === undefined }
  const steps: ExpressionStep[] = []
  const read = readExpression(expression, rules, step => steps.push(step))
  const shown = expression === '' ? text.nothing : expression
  const result = (): WorkedLine => {
    if (read.kind === 'refused') return { text: shown, mark: 'wrong', note: text.faultAt(text.fault[read.code], read.position + 1) }
    const reaches = equals(read.value, whole(target))
    const value = rationalText(read.value)
    return { text: shown, mark: markOf(solved ?? reaches), note: reaches ? (solved === false ? text.againstRules(value) : text.comesTo(value)) : text.misses(value, target) }
  }
  const earlier = attempts.slice(0, -1).map((attempt): WorkedLine => {
    const value = readExpression(attempt.expression, { ...rules, useAll: false })
    if (value.kind === 'refused') return { text: attempt.text, mark: 'wrong', note: text.fault[value.code] }
    return attempt.claimed === undefined ? { text: attempt.text } : reckoned(attempt, value.value, target)
  })
  const taken = read.kind === 'value' ? steps.map(({ left, operation, right, result }) => ({ text: `${rationalText(left)} ${SIGNS[operation]} ${rationalText(right)} = ${rationalText(result)}` })) : []
  return { question: text.reach(target, numbers), steps: [...earlier, ...taken], result: result() }
}

/** An attempt is right where it is worth what it claims, and compares with the target as it says. */
function reckoned({ text: attempt, claimed, compared }: Attempt, value: Rational, target: number): WorkedLine {
  const worth = rationalText(value)
  if (claimed !== worth) return { text: attempt, mark: 'wrong', note: text.isRight(worth) }
  const comparison = compare(value, target)
  return compared === comparison ? { text: attempt, mark: 'right' } : { text: attempt, mark: 'wrong', note: text.comparesWrongly(worth, comparison, target) }
}
