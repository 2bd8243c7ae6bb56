/** A sum, difference or product, and what came before its result. Pure. */
import { valueOf, type Operation, type Sum } from '#shared/environments/arithmetic-working.ts'
import { wasSolved, type ShownEpisode } from '../session/shown-episode.ts'
import { workedMessages as text } from './worked-answer-messages.ts'
import { markOf, type WorkedAnswerView, type WorkedLine } from './worked-answer-view.ts'

const PROBLEM = /^(\d{1,4})((?:[+*-]\d{1,4}){1,3})([=?])$/
const EQUATION = /^(\d{1,15})([+*-])(\d{1,15})=(\d{1,15})$/
const SIGNS: Readonly<Record<Operation, string>> = { '+': '+', '-': '−', '*': '×' }

/** @returns undefined where the prompt is no such problem */
export function sumView(episode: ShownEpisode): WorkedAnswerView | undefined {
  const { prompt, completion } = episode.turns[0]!
  const [, first, others, ending] = PROBLEM.exec(prompt) ?? []
  if (first === undefined) return undefined
  const more = [...others!.matchAll(/([+*-])(\d+)/g)].map(([, operation, operand]) => ({ operation: operation as Operation, operand: Number(operand) }))
  const sum: Sum = { left: Number(first), operation: more[0]!.operation, right: more[0]!.operand, more: more.slice(1) }
  const answerFrom = ending === '?' ? completion.lastIndexOf('=') + 1 : 0
  const steps = answerFrom === 0 ? [] : completion.slice(0, answerFrom - 1).split(' ').filter(step => step !== '')
  return {
    question: `${Number(first)}${more.map(({ operation, operand }) => ` ${SIGNS[operation]} ${operand}`).join('')}`,
    steps: steps.map(checkedStep),
    result: resultLine(completion.slice(answerFrom), valueOf(sum), wasSolved(episode))
  }
}

function checkedStep(step: string): WorkedLine {
  const [, left, operation, right, result] = EQUATION.exec(step) ?? []
  if (left === undefined) return { text: step }
  const expected = valueOf({ left: Number(left), operation: operation as Operation, right: Number(right) })
  const shown = `${Number(left)} ${SIGNS[operation as Operation]} ${Number(right)} = ${Number(result)}`
  return Number(result) === expected ? { text: shown, mark: 'right' } : { text: shown, mark: 'wrong', note: text.isRight(String(expected)) }
}

/** The trainer's word counts where there is one: a right number may be written in a wrong way. */
function resultLine(answer: string, expected: number, solved: boolean | undefined): WorkedLine {
  const equal = /^\d{1,15}$/.test(answer) && Number(answer) === expected
  const mark = markOf(solved ?? equal)
  if (equal && mark === 'right') return { text: `= ${expected}`, mark }
  return { text: `= ${answer === '' ? text.nothing : answer}`, mark, note: (equal ? text.widthMatters : text.isRight)(String(expected)) }
}
