import { promptText } from '#shared/environments/holdem/prompt.ts'
import { checkOrFold } from '#shared/environments/holdem/player.ts'
import type { Action } from '#shared/environments/holdem/hand-state.ts'
import type { SeatView } from '#shared/environments/holdem/seat-view.ts'
import { actionText, promptTokens } from '#shared/environments/turn-tokens.ts'
import type { EpisodeLimits } from '#shared/environments/episode.ts'
import { completions } from '../completions.ts'
import type { PlayingPolicy } from '../play-episodes.ts'
import { actionSaid, type AskedOpponent, type OpponentDecision } from './asked-opponent.ts'

interface Memory {
  /** All that it was shown and said in this hand. */
  readonly tokens: readonly number[]
  readonly turns: number
}

/** A policy in the other seat: another version of a run, or a model. It is shown what the environment shows a policy, and plays its likeliest action. */
export class PolicyOpponent implements AskedOpponent {
  readonly #policy: PlayingPolicy
  readonly #limits: EpisodeLimits
  readonly #hands = new Map<number, Memory>()

  /** @param limits past which it checks, or folds to a bet, as the policy that is measured does */
  constructor(policy: PlayingPolicy, limits: EpisodeLimits) {
    this.#policy = policy
    this.#limits = limits
  }

  async decide(decisions: readonly OpponentDecision[]): Promise<Action[]> {
    const { engine, tokenizer } = this.#policy
    const { turns, maxTokens, rolloutTokens } = this.#limits
    const shown = decisions.map(({ hand, view }) => this.#shown(hand, view))
    const speaks = shown.map(memory => memory.turns < turns && memory.tokens.length + maxTokens <= Math.min(rolloutTokens, engine.config.contextLength))
    const said = await completions(this.#policy, shown.filter((_, index) => speaks[index]), maxTokens)
    return decisions.map(({ hand, view }, index) => {
      const { tokens, turns } = shown[index]!
      if (!speaks[index]) return checkOrFold(view)
      const action = said.shift()!
      this.#hands.set(hand, { tokens: [...tokens, ...action], turns: turns + 1 })
      return actionSaid(actionText(tokenizer, engine.config.eosTokenIds, action), view)
    })
  }

  #shown(hand: number, view: SeatView): Memory {
    const { engine, tokenizer } = this.#policy
    const before = this.#hands.get(hand)
    if (before === undefined) return { tokens: promptTokens(tokenizer, engine.config.bosTokenId, promptText(view)), turns: 0 }
    return { ...before, tokens: [...before.tokens, ...tokenizer.encode(`\n${promptText(view)}`)] }
  }
}
