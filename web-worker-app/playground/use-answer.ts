import { useReducer, useRef } from 'react'
import { ask, type Question } from './api-client.ts'
import { stepAnswer, type AnswerState } from './answer-state.ts'

export interface Asking {
  readonly answer: AnswerState | null
  readonly ask: (question: Question, key: string) => void
  /** Gives the answer up; the tabs that work on it are free at once. */
  readonly stop: () => void
}

/** One question at a time: a new one gives up the one before. */
export function useAnswer(): Asking {
  const [answer, tell] = useReducer(stepAnswer, null)
  const underWay = useRef<AbortController | undefined>(undefined)
  return {
    answer,
    ask: (question, key) => {
      underWay.current?.abort()
      const controller = new AbortController()
      underWay.current = controller
      const current = (): boolean => underWay.current === controller
      tell({ kind: 'asked', now: performance.now() })
      void ask(question, key, controller.signal, {
        parts: parts => current() && tell({ kind: 'parts', now: performance.now(), parts }),
        refused: refusal => current() && tell({ kind: 'refused', refusal }),
        over: how => current() && tell({ kind: 'over', how })
      })
    },
    stop: () => underWay.current?.abort()
  }
}
