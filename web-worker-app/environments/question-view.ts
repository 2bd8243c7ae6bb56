/** A question in words, the working of its answer with every equation checked, and the final answer. Pure. */
import { readExpression } from '#shared/environments/countdown/expression.ts'
import { equals, OPERATIONS, whole } from '#shared/environments/countdown/rational.ts'
import { wasSolved, type ShownEpisode } from '../session/shown-episode.ts'
import { workedMessages as text } from './worked-answer-messages.ts'
import { markOf, type WorkedAnswerView, type WorkedLine } from './worked-answer-view.ts'

const PROMPT_END = '\nanswer:'
const FINAL_MARK = '####'
/** Of whole numbers, with an operation in it: `3 + 4 = 7`. Numbers with fractions are nobody's to check here, nor are long expressions. */
const EQUATION = /(?<![\d.+*/-] ?)(\(?\d[\d ()+*/-]{0,60}[+*/-][\d ()+*/-]{0,60}?) ?= ?\$?(\d+)(?!\.?\d)/g

/** @returns undefined where the prompt is no such question */
export function questionView(episode: ShownEpisode): WorkedAnswerView | undefined {
  const { prompt, completion } = episode.turns[0]!
  if (!prompt.endsWith(PROMPT_END)) return undefined
  const at = completion.lastIndexOf(FINAL_MARK)
  const working = at < 0 ? '' : completion.slice(0, at)
  const final = (at < 0 ? completion : completion.slice(at + FINAL_MARK.length)).trim()
  const solved = wasSolved(episode)
  return {
    question: prompt.slice(0, -PROMPT_END.length),
    steps: working.split('\n').map(line => line.replaceAll(/<<[^<>]*>>/g, '').trim()).filter(line => line !== '').map(checkedLine),
    result: { text: final === '' ? text.nothing : final, ...(solved !== undefined && { mark: markOf(solved) }) }
  }
}

function checkedLine(line: string): WorkedLine {
  const marks = [...line.matchAll(EQUATION)].flatMap(([, expression, result]) => {
    const numbers = expression!.match(/\d+/g)!.map(Number)
    const read = readExpression(expression!.trim(), { numbers, operations: OPERATIONS, useAll: false })
    return read.kind === 'value' && Number.isSafeInteger(read.value.numerator) ? [equals(read.value, whole(Number(result)))] : []
  })
  return marks.length === 0 ? { text: line } : { text: line, mark: markOf(marks.every(Boolean)) }
}
