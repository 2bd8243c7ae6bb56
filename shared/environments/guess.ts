import { createRng } from '../random/rng.ts'
import { v } from '../protocol/schema.ts'
import type { Environment } from './environment.ts'

export const guessOptions = v.strictObject({
  /** Secrets are whole numbers in [1, largest]. */
  largest: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(9_999)), 20),
  /** Most guesses; absent: as many as halving the range needs. */
  guesses: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)))
})
export type GuessOptions = v.InferOutput<typeof guessOptions>

export interface GuessTask {
  readonly secret: number
}

export interface GuessState extends GuessTask {
  /** What the answers so far leave open: whole numbers in [low, high]. */
  readonly low: number
  readonly high: number
  /** The texts that were said. */
  readonly guesses: readonly string[]
  readonly earned: number
  readonly done: boolean
}

/** What guesses that the answers had not ruled out earn together, when the secret is not found. */
const SENSIBLE_SHARE = 0.5

/**
 * A number is to be found; each guess is answered by `higher:` or `lower:`. Sensible guesses earn a little each, the right one all
 * that is left of 1. The secret is in no prompt, so there is nothing to hold out: both splits draw from all numbers.
 */
export function guess(options: GuessOptions): Environment<GuessTask, GuessState> {
  const { largest } = options
  const most = options.guesses ?? Math.ceil(Math.log2(largest + 1))
  const question = `guess 1-${largest}:`
  const answer = ({ secret, guesses }: GuessState): string => {
    const number = readNumber(guesses.at(-1)!)
    return number === undefined || number === secret ? 'a number:' : number < secret ? 'higher:' : 'lower:'
  }
  return {
    name: 'guess',
    turns: most,
    sample: (seed, split) => ({ secret: 1 + createRng(`guess/${split}/${seed}`).below(largest) }),
    start: ({ secret }) => ({ secret, low: 1, high: largest, guesses: [], earned: 0, done: false }),
    render: state => (state.guesses.length === 0 ? question : answer(state)),
    step: (state, action) => {
      if (state.done) throw new Error('step: the game is over')
      const number = readNumber(action)
      const found = number === state.secret
      const sensible = number !== undefined && number >= state.low && number <= state.high
      const reward = found ? 1 - state.earned : sensible ? SENSIBLE_SHARE / most : 0
      const guesses = [...state.guesses, action]
      const next = {
        ...state,
        guesses,
        low: sensible && number < state.secret ? number + 1 : state.low,
        high: sensible && number > state.secret ? number - 1 : state.high,
        earned: state.earned + reward,
        done: found || guesses.length === most
      }
      return { state: next, done: next.done, reward, info: { success: found, metrics: { guesses: guesses.length } } }
    },
    view: state => {
      const said = state.guesses.map((text, index) => `${text} ${readNumber(text) === state.secret ? '✓' : answer({ ...state, guesses: state.guesses.slice(0, index + 1) })}`)
      return [question, ...said, ...(state.done && readNumber(state.guesses.at(-1)!) !== state.secret ? [`✗ (${state.secret})`] : [])].join(' ')
    },
    demonstrate: ({ low, high }) => String(Math.floor((low + high) / 2))
  }
}

/** Undefined where the text is not a whole number as people write it. */
function readNumber(text: string): number | undefined {
  const trimmed = text.trim()
  return /^[0-9]{1,5}$/.test(trimmed) ? Number(trimmed) : undefined
}
