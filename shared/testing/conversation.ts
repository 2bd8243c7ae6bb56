import type { Environment } from '../environments/environment.ts'

export interface Conversation {
  readonly opening: string
  readonly said: readonly string[]
}

/** Quotes every answer before it asks for the next one; a task succeeds when its last answer is the one expected. Its rewards sum to 1. */
export function conversation(turns: number, expected: ReadonlyMap<string, string> = new Map()): Environment<string, Conversation> {
  return {
    name: 'conversation',
    sample: seed => `seed ${seed}`,
    start: opening => ({ opening, said: [] }),
    render: ({ opening, said }) => (said.length === 0 ? opening : `${said.length}>${said.at(-1)}|`),
    step: (state, action) => {
      const said = [...state.said, action]
      return { state: { ...state, said }, done: said.length === turns, reward: 1 / turns, info: { success: expected.get(state.opening) === action } }
    },
    view: ({ said }) => JSON.stringify(said)
  }
}
