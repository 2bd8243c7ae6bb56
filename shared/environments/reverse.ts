import { createRng } from '../random/rng.ts'
import { v } from '../protocol/schema.ts'
import type { Environment, Split } from './environment.ts'
import { answered, viewAnswer, type SingleTurnState } from './single-turn.ts'

export const reverseOptions = v.strictObject({
  /** Letters per word. */
  length: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(64)), 10)
})
export type ReverseOptions = v.InferOutput<typeof reverseOptions>

export interface ReverseTask {
  readonly word: string
}

const ALPHABET = 'abcdefghij'

/** One word in this many is held out. */
const HELD_OUT_SHARE = 8

/**
 * Random words of the letters a–j, written `reverse abcdefghij=`; the action is the word backwards.
 * Reward: the share of places, out of the longer text's length, with the right letter; dense, so that it can be learnt
 * from almost nothing (the tiny form of the reverse-text smoke task of PrimeIntellect-ai/prime-rl).
 */
export function reverse(options: ReverseOptions): Environment<ReverseTask, SingleTurnState<ReverseTask>> {
  return {
    name: 'reverse',
    sample: (seed, split) => {
      const rng = createRng(`reverse/${seed}`)
      for (;;) {
        const word = Array.from({ length: options.length }, () => ALPHABET[rng.below(ALPHABET.length)]!).join('')
        if (splitOf({ word }) === split) return { word }
      }
    },
    start: task => ({ task }),
    render: ({ task }) => question(task),
    step: (state, action) => {
      const expected = backwards(state.task.word)
      return answered(state, action, placesRight(action, expected), action === expected)
    },
    view: ({ task, answer }) => viewAnswer(question(task), answer, backwards(task.word)),
    demonstrate: ({ task }) => backwards(task.word)
  }
}

/** The split that a word belongs to, by a hash of the word alone. */
export function splitOf(task: ReverseTask): Split {
  return createRng(`reverse split/${task.word}`).below(HELD_OUT_SHARE) === 0 ? 'held-out' : 'train'
}

function question(task: ReverseTask): string {
  return `reverse ${task.word}=`
}

function backwards(word: string): string {
  return word.split('').toReversed().join('')
}

function placesRight(action: string, expected: string): number {
  let right = 0
  for (let place = 0; place < Math.min(action.length, expected.length); place++) {
    if (action[place] === expected[place]) right++
  }
  return right / Math.max(action.length, expected.length)
}
