/** Plays tasks with a policy, many at once. */
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { beginEpisode, takeTurn, tokensDrawn, type Episode, type EpisodeLimits, type EpisodeRules } from '#shared/environments/episode.ts'
import type { Tokenizer } from '#shared/model/tokenizer.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'

/** Sequences decoded at once. */
export const ROWS = 128

export interface PlayingPolicy {
  /** Hosts the whole model, with the adapter or weights of the version to measure. */
  readonly engine: SliceEngine
  readonly tokenizer: Tokenizer
}

export interface Play<Task> {
  readonly task: Task
  /** Of the random numbers that draw its tokens, 64 hexadecimal digits; left out, every token is the likeliest one. */
  readonly seed?: string
}

export function rulesFor<Task, State>({ engine, tokenizer }: PlayingPolicy, environment: Environment<Task, State>, limits: EpisodeLimits): EpisodeRules<Task, State> {
  const { bosTokenId, eosTokenIds } = engine.config
  return { environment, tokenizer, bosTokenId, eosTokenIds, limits }
}

/** @returns ended episodes in the order of `plays`; each is what it would be alone */
export async function playEpisodes<Task, State>(policy: PlayingPolicy, environment: Environment<Task, State>, plays: readonly Play<Task>[], limits: EpisodeLimits): Promise<Episode<State>[]> {
  const rules = rulesFor(policy, environment, limits)
  const generator = new BatchGenerator({ engine: policy.engine, uniform, maxRows: ROWS })
  const episodes = plays.map(({ task }) => beginEpisode(rules, task))
  const ask = (index: number): void => {
    const episode = episodes[index]!
    const { seed } = plays[index]!
    const sample = { id: String(index), ...(seed !== undefined && { seed, position: tokensDrawn(episode) }) }
    generator.submit({ prompt: Int32Array.from(episode.tokens), samples: [sample], maxTokens: limits.maxTokens })
  }
  for (const index of episodes.keys()) ask(index)
  while (generator.pending > 0) {
    for (const { id, tokens } of await generator.step()) {
      const index = Number(id)
      const episode = takeTurn(rules, episodes[index]!, tokens)
      episodes[index] = episode
      if (episode.end === null) ask(index)
    }
  }
  return episodes
}
