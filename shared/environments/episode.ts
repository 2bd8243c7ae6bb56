/**
 * One rollout as an environment and a tokenizer make it: prompt, action, observation, action … in one sequence of tokens. Ids are
 * carried from turn to turn: what the policy drew is never decoded and encoded again, since that may give other ids. Pure, and the
 * same wherever an episode is played: trainer, verifier, evaluation, warm start, terminal.
 */
import type { Tokenizer } from '../model/tokenizer.ts'
import type { Environment } from './environment.ts'
import { actionText, promptTokens } from './turn-tokens.ts'

export interface EpisodeLimits {
  /** Most actions; at least 1. */
  readonly turns: number
  /** Most tokens of one action. */
  readonly maxTokens: number
  /** Most tokens in all: prompt, actions and observations. A turn begins only where a longest action still fits. */
  readonly rolloutTokens: number
}

export interface EpisodeRules<Task = unknown, State = unknown> {
  readonly environment: Environment<Task, State>
  readonly tokenizer: Tokenizer
  readonly bosTokenId: number
  readonly eosTokenIds: readonly number[]
  readonly limits: EpisodeLimits
}

/** `done`: the environment asks for nothing more; `turns`, `tokens`: a limit would be passed, and the rollout is cut off there. */
export type EpisodeEnd = 'done' | 'turns' | 'tokens'

/** What the policy was shown and what it answered, for people. */
export interface TurnText {
  readonly shown: string
  readonly said: string
}

export interface Episode<State = unknown> {
  readonly state: State
  /** All so far. While the episode goes on, they are what the next action is drawn after. */
  readonly tokens: readonly number[]
  readonly promptLength: number
  /** One entry for each token after the prompt: 1 where the policy drew it, 0 where the environment said it. */
  readonly mask: readonly number[]
  /** Tokens of each action, an end token included. */
  readonly actions: readonly (readonly number[])[]
  readonly turns: readonly TurnText[]
  /** What the next action answers: prompt or observation. Empty after the end. */
  readonly shown: string
  /** Sum over the steps, in [0, 1]. */
  readonly reward: number
  readonly success: boolean
  readonly metrics: Readonly<Record<string, number>>
  /** Null while an action is asked for. */
  readonly end: EpisodeEnd | null
}

/** Sums of rewards that are no binary fractions may pass 1 by rounding. */
const REWARD_ROUNDING = 1e-9

/** @throws {RangeError} when the prompt leaves no room for an action */
export function beginEpisode<Task, State>({ environment, tokenizer, bosTokenId, limits }: EpisodeRules<Task, State>, task: Task): Episode<State> {
  const state = environment.start(task)
  const shown = environment.render(state)
  const tokens = promptTokens(tokenizer, bosTokenId, shown)
  if (tokens.length + limits.maxTokens > limits.rolloutTokens) throw new RangeError(`a prompt of ${tokens.length} tokens leaves no room for ${limits.maxTokens} more within ${limits.rolloutTokens}`)
  return { state, tokens, promptLength: tokens.length, mask: [], actions: [], turns: [], shown, reward: 0, success: false, metrics: {}, end: null }
}

/**
 * @param action the tokens that the policy drew in this turn
 * @throws {Error} when the episode is over, or the environment's rewards leave [0, 1]
 */
export function takeTurn<Task, State>(rules: EpisodeRules<Task, State>, episode: Episode<State>, action: readonly number[]): Episode<State> {
  const { environment, tokenizer, eosTokenIds, limits } = rules
  if (episode.end !== null) throw new Error('the episode is over')
  const said = actionText(tokenizer, eosTokenIds, action)
  const { state, done, reward, info } = environment.step(episode.state, said)
  const total = episode.reward + reward
  if (!(reward >= 0 && total <= 1 + REWARD_ROUNDING)) throw new Error(`environment "${environment.name}" gave a reward of ${reward} after ${episode.reward}: each is at least 0, and their sum at most 1`)
  const played = {
    state,
    tokens: [...episode.tokens, ...action],
    promptLength: episode.promptLength,
    mask: [...episode.mask, ...action.map(() => 1)],
    actions: [...episode.actions, action],
    turns: [...episode.turns, { shown: episode.shown, said }],
    reward: Math.min(1, total),
    success: info.success,
    metrics: { ...episode.metrics, ...info.metrics }
  }
  if (done) return { ...played, shown: '', end: 'done' }
  if (played.actions.length >= limits.turns) return { ...played, shown: '', end: 'turns' }
  const shown = environment.render(state)
  const observation = tokenizer.encode(shown)
  const tokens = [...played.tokens, ...observation]
  if (tokens.length + limits.maxTokens > limits.rolloutTokens) return { ...played, shown: '', end: 'tokens' }
  return { ...played, tokens, mask: [...played.mask, ...observation.map(() => 0)], shown, end: null }
}

/** The episode that these actions make of a task. */
export function replayEpisode<Task, State>(rules: EpisodeRules<Task, State>, task: Task, actions: readonly (readonly number[])[]): Episode<State> {
  return actions.reduce((episode, action) => takeTurn(rules, episode, action), beginEpisode(rules, task))
}

/** Tokens that the policy has drawn: where a rollout's committed random numbers go on. */
export function tokensDrawn({ actions }: Pick<Episode, 'actions'>): number {
  return actions.reduce((total, action) => total + action.length, 0)
}
