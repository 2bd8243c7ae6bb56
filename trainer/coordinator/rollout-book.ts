/** What was accepted and is not learnt from yet: unfinished rollouts with the turns that they have, and finished ones. */
import { tokensDrawn, type Episode } from '#shared/environments/episode.ts'
import type { SampleKey } from '#shared/coordination/lease-table.ts'
import type { EpisodeSource, TaskKey } from '../episode-source.ts'
import type { LearnerRollout } from '../learner/learner.ts'

interface KeptRollout {
  readonly episode: Episode
  /** Of all that the policy drew, turn after turn; each turn's under the version that sampled it. */
  readonly behaviourLogProbs: readonly number[]
}

/** What the policy's next tokens follow. */
export interface TurnContext {
  readonly tokens: readonly number[]
  /** Of the rollout's random numbers, the next one. */
  readonly position: number
}

export class RolloutBook {
  readonly #episodes: EpisodeSource
  readonly #task: (prompt: number) => TaskKey
  readonly #kept = new Map<string, KeptRollout>()

  constructor(episodes: EpisodeSource, task: (prompt: number) => TaskKey) {
    this.#episodes = episodes
    this.#task = task
  }

  task(prompt: number): TaskKey {
    return this.#task(prompt)
  }

  episode({ prompt, index }: SampleKey): Episode {
    return this.#kept.get(`${prompt}/${index}`)?.episode ?? this.#episodes.begin(this.#task(prompt))
  }

  context(key: SampleKey): TurnContext {
    const episode = this.episode(key)
    return { tokens: episode.tokens, position: tokensDrawn(episode) }
  }

  /** Adds a turn. @returns what the rollout has come to */
  accept(key: SampleKey, action: readonly number[], behaviourLogProbs: readonly number[]): Episode {
    const id = `${key.prompt}/${key.index}`
    const episode = this.#episodes.takeTurn(this.#task(key.prompt), this.episode(key), action)
    this.#kept.set(id, { episode, behaviourLogProbs: [...(this.#kept.get(id)?.behaviourLogProbs ?? []), ...behaviourLogProbs] })
    return episode
  }

  /** For people; undefined where its task has no such form. */
  record(key: SampleKey): string | undefined {
    return this.#episodes.record(this.#task(key.prompt), this.episode(key))
  }

  /** It was learnt from, or begins anew. */
  forget({ prompt, index }: SampleKey): void {
    this.#kept.delete(`${prompt}/${index}`)
  }

  /** @throws {Error} when the rollout is not finished */
  finished({ prompt, index }: SampleKey): LearnerRollout {
    const kept = this.#kept.get(`${prompt}/${index}`)
    if (kept === undefined || kept.episode.end === null) throw new Error(`rollout ${prompt}/${index} is to be learnt from, but is not finished`)
    const { tokens, promptLength, mask, actions, reward } = kept.episode
    return { tokens, promptLength, ...(actions.length > 1 && { mask }), behaviourLogProbs: kept.behaviourLogProbs, reward }
  }
}
