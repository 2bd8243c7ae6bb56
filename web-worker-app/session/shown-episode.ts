import type { ShownRollout } from '#shared/protocol/run-feed.ts'

/** A rollout as texts, which is all that a page knows of it. They come from models: any of them may be anything. */
export interface ShownTurn {
  readonly prompt: string
  readonly completion: string
}

export interface ShownEpisode {
  /** Oldest first; at least one. */
  readonly turns: readonly ShownTurn[]
  /** Of a rollout that has come to its end, where its task has a standard text form. */
  readonly record: string | undefined
  /** Null where it has none. */
  readonly reward: number | null
}

export function shownEpisode({ earlier = [], prompt, completion, record, reward }: ShownRollout): ShownEpisode {
  return { turns: [...earlier, { prompt, completion }], record, reward }
}

/** What the learner gets for a task that is solved exactly. */
const FULL_REWARD = 1

/** Undefined where nobody has judged it. */
export function wasSolved({ reward }: ShownEpisode): boolean | undefined {
  return reward === null ? undefined : reward === FULL_REWARD
}
