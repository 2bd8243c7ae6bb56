/** Hands of hold'em against an opponent that has to be asked. */
import type { Environment } from '#shared/environments/environment.ts'
import { beginEpisode, takeTurn, tokensDrawn, type Episode, type EpisodeLimits } from '#shared/environments/episode.ts'
import type { HoldemState, HoldemTask } from '#shared/environments/holdem.ts'
import type { Action } from '#shared/environments/holdem/hand-state.ts'
import { OpponentWanted } from '#shared/environments/holdem/opponent.ts'
import { completions } from '../completions.ts'
import { rulesFor, type Play, type PlayingPolicy } from '../play-episodes.ts'
import type { AskedOpponent, OpponentDecision } from './asked-opponent.ts'

type HoldemEpisode = Episode<HoldemState>

/** Of one hand: makes its next episode, given all that the opponent has done so far. @throws OpponentWanted where that does not suffice */
type Step = (recorded: readonly Action[]) => HoldemEpisode

/**
 * In rounds: every hand that waits for the opponent is asked for at once, then every hand that waits for the policy. Steps of the environment are
 * pure, so one that wants another action of the opponent is taken again with it.
 *
 * @returns ended episodes in the order of `plays`; their tasks hold what the opponent did, so that they can be replayed anywhere
 */
export async function playMatch(policy: PlayingPolicy, environment: Environment<HoldemTask, HoldemState>, opponent: AskedOpponent, plays: readonly Play<HoldemTask>[], limits: EpisodeLimits): Promise<HoldemEpisode[]> {
  const rules = rulesFor(policy, environment, limits)
  const episodes: HoldemEpisode[] = []
  const records: Action[][] = plays.map(() => [])
  let steps = new Map<number, Step>(plays.map(({ task }, hand) => [hand, recorded => beginEpisode(rules, { ...task, recorded })]))
  while (steps.size > 0) {
    await takeSteps(steps, episodes, records, opponent)
    const open = episodes.flatMap(({ end }, hand) => (end === null ? [hand] : []))
    const asked = open.map(hand => ({ tokens: episodes[hand]!.tokens, ...(plays[hand]!.seed !== undefined && { seed: plays[hand]!.seed, position: tokensDrawn(episodes[hand]!) }) }))
    const said = await completions(policy, asked, limits.maxTokens)
    steps = new Map(open.map((hand, index) => [hand, recorded => takeTurn(rules, withRecord(episodes[hand]!, recorded), said[index]!)]))
  }
  return episodes
}

/** Until none of them waits for the opponent. */
async function takeSteps(steps: ReadonlyMap<number, Step>, episodes: HoldemEpisode[], records: readonly Action[][], opponent: AskedOpponent): Promise<void> {
  let waiting = [...steps.keys()]
  while (waiting.length > 0) {
    const wanted: OpponentDecision[] = []
    for (const hand of waiting) {
      try {
        episodes[hand] = steps.get(hand)!(records[hand]!.slice())
      } catch (error) {
        if (!(error instanceof OpponentWanted)) throw error
        wanted.push({ hand, view: error.view })
      }
    }
    const actions = wanted.length === 0 ? [] : await opponent.decide(wanted)
    for (const [index, { hand }] of wanted.entries()) records[hand]!.push(actions[index]!)
    waiting = wanted.map(({ hand }) => hand)
  }
}

function withRecord(episode: HoldemEpisode, recorded: readonly Action[]): HoldemEpisode {
  return { ...episode, state: { ...episode.state, task: { ...episode.state.task, recorded } } }
}
