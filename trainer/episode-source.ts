/** What each prompt number asks, and what comes of actions: the same for coordinator and verifier, in every process of a run. */
import type { Environment } from '#shared/environments/environment.ts'
import { beginEpisode, takeTurn, type Episode, type EpisodeLimits, type EpisodeRules } from '#shared/environments/episode.ts'
import { promptTokens } from '#shared/environments/turn-tokens.ts'
import type { Model } from '#shared/model/model-directory.ts'
import { UserError } from './user-error.ts'

const PROMPTS_TRIED = 64

/** A batch has its prompts' episodes begun once for each sample and turn; drawing a task may be costly. */
const EPISODES_KEPT = 4_096

/** Names a prompt's task. */
export interface TaskKey {
  /** Draws it from the training split. */
  readonly seed: string
  /** Of the curriculum; 0 without one. */
  readonly level: number
}

export function taskSeed(runSeed: number, prompt: number): string {
  return `${runSeed}/${prompt}`
}

export class EpisodeSource {
  /** By level. */
  readonly #rules: readonly EpisodeRules[]
  readonly #begun = new Map<string, Episode>()

  constructor(levels: readonly Environment[], { tokenizer, config: { bosTokenId, eosTokenIds } }: Pick<Model, 'tokenizer' | 'config'>, limits: EpisodeLimits) {
    this.#rules = levels.map(environment => ({ environment, tokenizer, bosTokenId, eosTokenIds, limits }))
  }

  begin({ seed, level }: TaskKey): Episode {
    const name = `${level}/${seed}`
    const known = this.#begun.get(name)
    if (known !== undefined) return known
    const rules = this.#rulesOf(level)
    const begun = beginEpisode(rules, rules.environment.sample(seed, 'train'))
    if (this.#begun.size >= EPISODES_KEPT) this.#begun.delete(this.#begun.keys().next().value!)
    this.#begun.set(name, begun)
    return begun
  }

  takeTurn({ level }: TaskKey, episode: Episode, action: readonly number[]): Episode {
    return takeTurn(this.#rulesOf(level), episode, action)
  }

  record({ level }: TaskKey, { state }: Episode): string | undefined {
    return this.#rulesOf(level).environment.record?.(state)
  }

  replay(task: TaskKey, actions: readonly (readonly number[])[]): Episode {
    return actions.reduce((episode, action) => this.takeTurn(task, episode, action), this.begin(task))
  }

  #rulesOf(level: number): EpisodeRules {
    const rules = this.#rules[level]
    if (rules === undefined) throw new Error(`there is no level ${level}`)
    return rules
  }
}

/** @throws {UserError} when prompts and answers do not fit in the tokens that a rollout may have, or those not in the model's context */
export function checkThatPromptsFit(environment: Environment, { tokenizer, config }: Model, runSeed: number, { maxTokens, rolloutTokens }: EpisodeLimits): void {
  if (rolloutTokens > config.contextLength) throw new UserError(`batch.rolloutTokens = ${rolloutTokens} exceeds the model's context of ${config.contextLength}; lower it`)
  const lengths = Array.from({ length: PROMPTS_TRIED }, (_, number) => {
    const task = environment.sample(taskSeed(runSeed, number), 'train')
    return promptTokens(tokenizer, config.bosTokenId, environment.render(environment.start(task))).length
  })
  const longest = Math.max(...lengths)
  if (longest + maxTokens <= rolloutTokens) return
  const most = rolloutTokens === config.contextLength ? `the model's context of ${rolloutTokens}; lower batch.maxTokens` : `batch.rolloutTokens = ${rolloutTokens}; lower batch.maxTokens or raise batch.rolloutTokens`
  throw new UserError(`environment "${environment.name}" has prompts of ${longest} tokens, which with batch.maxTokens = ${maxTokens} exceed ${most}`)
}
