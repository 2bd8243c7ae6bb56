/** What has become of one question, as the page knows it. Pure; times are milliseconds on one clock. */
import type { MissingLayers } from '#shared/scheduling/missing-layers.ts'

export interface ApiRefusal {
  /** Of the API's error, or `http_<status>` when the answer was no error of the API. */
  readonly code: string
  readonly message: string
  readonly missing: readonly MissingLayers[]
}

/** A drawn token: where its text begins in the answer. */
export interface DrawnToken {
  readonly offset: number
  /** Natural, at temperature 1. */
  readonly logProb: number
}

export interface AnswerPart {
  readonly id: string
  readonly model: string
  readonly text: string
  readonly tokens: readonly DrawnToken[]
  readonly finish: 'stop' | 'length' | null
}

export type AnswerEnd = 'stop' | 'length' | 'stopped' | 'cut_off' | 'refused' | 'broken'

export interface AnswerState {
  readonly askedAt: number
  readonly firstAt: number | null
  readonly lastAt: number | null
  readonly id: string | null
  readonly model: string | null
  readonly text: string
  readonly tokens: readonly DrawnToken[]
  /** Tokens of the part that came first: they took no time that could be measured. */
  readonly firstTokens: number
  /** null while it is under way. */
  readonly end: AnswerEnd | null
  readonly refusal: ApiRefusal | null
}

export type AnswerInput =
  | { readonly kind: 'asked'; readonly now: number }
  | { readonly kind: 'parts'; readonly now: number; readonly parts: readonly AnswerPart[] }
  | { readonly kind: 'refused'; readonly refusal: ApiRefusal }
  /** The stream is over, well or not. */
  | { readonly kind: 'over'; readonly how: 'whole' | 'cut_off' | 'stopped' }

export function stepAnswer(state: AnswerState | null, input: AnswerInput): AnswerState | null {
  if (input.kind === 'asked') {
    return { askedAt: input.now, firstAt: null, lastAt: null, id: null, model: null, text: '', tokens: [], firstTokens: 0, end: null, refusal: null }
  }
  if (state === null) return null
  switch (input.kind) {
    case 'parts': {
      const [first] = input.parts
      if (first === undefined || state.end !== null) return state
      const drawn = input.parts.flatMap(part => part.tokens)
      return {
        ...state,
        id: first.id,
        model: first.model,
        text: state.text + input.parts.map(({ text }) => text).join(''),
        tokens: [...state.tokens, ...drawn],
        firstAt: state.firstAt ?? input.now,
        firstTokens: state.firstAt === null ? drawn.length : state.firstTokens,
        lastAt: input.now,
        end: input.parts.at(-1)!.finish
      }
    }
    case 'refused':
      return { ...state, refusal: input.refusal, end: state.firstAt === null ? 'refused' : 'broken' }
    case 'over':
      return state.end === null ? { ...state, end: input.how === 'stopped' ? 'stopped' : 'cut_off' } : state
  }
}

/** From the question to the first token. */
export function firstTokenMs({ askedAt, firstAt }: AnswerState): number | null {
  return firstAt === null ? null : firstAt - askedAt
}

/** Of the tokens after those that came first; null before there are any. */
export function tokensPerSecond({ tokens, firstTokens, firstAt, lastAt }: AnswerState): number | null {
  if (firstAt === null || lastAt === null || lastAt <= firstAt) return null
  return ((tokens.length - firstTokens) / (lastAt - firstAt)) * 1000
}

export interface ShadedToken {
  /** '' for one that has no text of its own, such as the end token or half of a character. */
  readonly text: string
  readonly probability: number
  readonly logProb: number
  /** 0, unlikely, to 4, nearly certain. */
  readonly likelihood: 0 | 1 | 2 | 3 | 4
}

/** The answer's text, token by token. */
export function shadedTokens({ text, tokens }: Pick<AnswerState, 'text' | 'tokens'>): ShadedToken[] {
  return tokens.map(({ offset, logProb }, index) => {
    const probability = Math.exp(logProb)
    return { text: text.slice(offset, tokens[index + 1]?.offset ?? text.length), probability, logProb, likelihood: likelihoodOf(probability) }
  })
}

function likelihoodOf(probability: number): ShadedToken['likelihood'] {
  if (probability < 0.05) return 0
  if (probability < 0.2) return 1
  if (probability < 0.5) return 2
  return probability < 0.9 ? 3 : 4
}
