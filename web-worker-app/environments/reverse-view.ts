/** A word and what was made of it. Pure. */
import { wasSolved, type ShownEpisode } from '../session/shown-episode.ts'
import { workedMessages as text } from './worked-answer-messages.ts'
import { markOf, type WorkedAnswerView } from './worked-answer-view.ts'

/** @returns undefined where the prompt is no such problem */
export function reverseView(episode: ShownEpisode): WorkedAnswerView | undefined {
  const { prompt, completion } = episode.turns[0]!
  const word = /^reverse ([a-z]{1,64})=$/.exec(prompt)?.[1]
  if (word === undefined) return undefined
  const expected = word.split('').toReversed().join('')
  const mark = markOf(wasSolved(episode) ?? completion === expected)
  return { question: text.backwards(word), steps: [], result: { text: completion === '' ? text.nothing : completion, mark, ...(completion !== expected && { note: text.isRight(expected) }) } }
}
