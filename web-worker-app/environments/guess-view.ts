/** Guesses, what each was told, and what that left open. Pure. */
import { wasSolved, type ShownEpisode } from '../session/shown-episode.ts'
import { workedMessages as text } from './worked-answer-messages.ts'
import type { WorkedAnswerView, WorkedLine } from './worked-answer-view.ts'

const TOLD = { 'higher:': text.higher, 'lower:': text.lower, 'a number:': text.noNumber } as const
type Told = keyof typeof TOLD

/** @returns undefined where the texts are of no such game, or its beginning was left out */
export function guessView(episode: ShownEpisode): WorkedAnswerView | undefined {
  const { turns } = episode
  const largest = Number(/^guess 1-(\d{1,4}):$/.exec(turns[0]!.prompt)?.[1])
  const told = turns.slice(1).map(({ prompt }) => prompt)
  if (!(largest >= 2) || !told.every(isTold)) return undefined
  let [low, high] = [1, largest]
  const steps = told.map((answer, index): WorkedLine => {
    const { completion } = turns[index]!
    const number = /^\d{1,5}$/.test(completion.trim()) ? Number(completion) : undefined
    if (number === undefined || answer === 'a number:') return { text: completion, note: TOLD[answer] }
    const sensible = number >= low && number <= high
    if (answer === 'higher:') low = Math.max(low, number + 1)
    else high = Math.min(high, number - 1)
    return { text: completion, note: sensible ? TOLD[answer] : `${TOLD[answer]}; ${text.ruledOut}`, ...(low <= high && { open: { low, high, of: largest } }) }
  })
  const solved = wasSolved(episode)
  const last = turns.at(-1)!.completion
  return {
    question: text.guessFrom(largest),
    steps,
    result: { text: last === '' ? text.nothing : last, ...(solved !== undefined && { mark: solved ? 'right' : 'wrong', note: solved ? text.found : text.notFound }) }
  }
}

function isTold(prompt: string): prompt is Told {
  return prompt in TOLD
}
