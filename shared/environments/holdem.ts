import { createRng } from '../random/rng.ts'
import { v } from '../protocol/schema.ts'
import type { Environment, Split, StepResult } from './environment.ts'
import { readAction, writeAction } from './holdem/action-text.ts'
import { cardText } from './holdem/cards.ts'
import { netChips, type Action, type HandState } from './holdem/hand-state.ts'
import { handHistory, POLICY_NAME } from './holdem/hand-history.ts'
import { handStory, storyLines } from './holdem/hand-story.ts'
import { playAction, startHand } from './holdem/hand.ts'
import { loosePassive } from './holdem/loose-passive.ts'
import { namedDeal } from './holdem/match.ts'
import { computedOpponent, OpponentWanted, playOpponent, recordedOpponent, type Opponent } from './holdem/opponent.ts'
import { checkOrFold } from './holdem/player.ts'
import { PLAYERS, PLAYER_NAMES } from './holdem/players.ts'
import { promptText, walkText } from './holdem/prompt.ts'
import { BIG_BLIND, BUTTON, otherSeat, type Both, type Seat } from './holdem/seat.ts'
import { seatView } from './holdem/seat-view.ts'

const wholeNumber = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most))

export const holdemOptions = v.strictObject({
  opponent: v.optional(v.picklist(PLAYER_NAMES), 'tight-aggressive'),
  /** Chips of the big blind; the small blind is half of it, rounded down. */
  bigBlind: v.optional(wholeNumber(2, 1_000), 2),
  /** Both stacks at the start of every hand, in big blinds. */
  stack: v.optional(wholeNumber(2, 1_000), 100),
  /** Big blinds won or lost at which the reward reaches 1 or 0; the whole stack where absent. */
  rewardRange: v.optional(wholeNumber(1, 1_000)),
  /** Actions of the policy in one hand; at further decisions it checks, or folds to a bet. Keeps a hand within the model's context. */
  maxTurns: v.optional(wholeNumber(1, 64), 6)
})
export type HoldemOptions = v.InferOutput<typeof holdemOptions>

export interface HoldemTask {
  /** Name of the deal: fixes the cards of both seats, the board, and the random numbers of the opponent. */
  readonly deal: string
  /** The policy's. */
  readonly seat: Seat
  /** The opponent's actions in order, where it isn't one of ours and was asked elsewhere. They replace the opponent of the options. Where they end before the hand does, `start` and `step` throw {@link OpponentWanted}. */
  readonly recorded?: readonly Action[]
}

export interface HoldemState {
  readonly task: HoldemTask
  readonly hand: HandState
  /** Actions of the policy so far. */
  readonly turns: number
  /** How many of them could not be read or were against the rules. */
  readonly illegal: number
  /** Why the last one was. */
  readonly refused?: string
}

/** Deals that training tries until it finds one in which the policy gets to act. */
const DEALS_TRIED = 100

/**
 * Heads-up no-limit Texas hold'em, one hand a task, a decision a turn. The action is `f`, `c`, `m`, `h`, `p`, `a` or `r12`
 * (action-text.ts). Any other text, and an action against the rules, is counted as illegal and becomes a check, or a fold
 * where there is a bet.
 *
 * Reward, at the end of the hand: 0.5 + won / (2 · range), with chips won below zero when lost, cut off at 0 and 1. With the range at the whole
 * stack it's linear in chips, so that its mean orders policies as chips per hand do. A smaller range cuts off big pots: less noise, and
 * a policy that no longer cares how big they are. All rollouts of a GRPO group share one deal and an opponent that answers equal
 * play equally, so the luck of the cards is in the group's mean and not in the advantages.
 *
 * Success: chips won. The figure to report is big blinds per hand, with an interval over pairs of hands (holdem/win-rate.ts).
 */
export function holdem(options: HoldemOptions): Environment<HoldemTask, HoldemState> {
  const { bigBlind } = options
  const blinds = { small: Math.floor(bigBlind / 2), big: bigBlind }
  const chips = options.stack * bigBlind
  const range = (options.rewardRange ?? options.stack) * bigBlind

  const opponentOf = ({ deal, recorded }: HoldemTask): Opponent => (recorded === undefined ? computedOpponent(PLAYERS[options.opponent], deal) : recordedOpponent(recorded))
  const playOn = (task: HoldemTask, hand: HandState): HandState => {
    const next = playOpponent(hand, otherSeat(task.seat), opponentOf(task))
    if (next.toAct === otherSeat(task.seat)) throw new OpponentWanted(seatView(next))
    return next
  }
  const start = (task: HoldemTask): HoldemState => ({ task, hand: playOn(task, startHand(namedDeal(task.deal), blinds, [chips, chips])), turns: 0, illegal: 0 })

  const ended = (state: HoldemState): StepResult<HoldemState> => {
    const won = netChips(state.hand, state.task.seat)
    const reward = Math.min(1, Math.max(0, 0.5 + won / (2 * range)))
    return { state, done: true, reward, info: { success: won > 0, metrics: { bigBlinds: won / bigBlind, illegal: state.illegal } } }
  }

  return {
    name: 'holdem',
    turns: options.maxTurns,
    sample: (seed, split) => {
      const task = taskOf(seed, split)
      if (split === 'held-out') return task
      // A hand that the opponent gives up at once teaches nothing. Held-out hands keep them: they are part of what is won.
      for (let tried = 0; tried < DEALS_TRIED; tried++) {
        const other = tried === 0 ? task : { ...task, deal: `${task.deal}/${tried}` }
        if (start(other).hand.outcome === undefined) return other
      }
      return task
    },
    start,
    render: ({ task, hand, turns }) => `${turns === 0 ? '' : '\n'}${hand.outcome === undefined ? promptText(seatView(hand)) : walkText(hand, task.seat)}`,
    step: (state, text) => {
      const { task, hand, turns, illegal } = state
      if (hand.outcome !== undefined) {
        if (turns > 0) throw new Error('step: the hand is over')
        return ended({ ...state, turns: 1 })
      }
      const played = playText(hand, text)
      let next = playOn(task, played.hand)
      if (turns + 1 === options.maxTurns) {
        while (next.outcome === undefined) next = playOn(task, playLegal(next, checkOrFold(seatView(next))))
      }
      const after: HoldemState = {
        task,
        hand: next,
        turns: turns + 1,
        illegal: illegal + (played.refused === undefined ? 0 : 1),
        ...(played.refused === undefined ? {} : { refused: played.refused })
      }
      return next.outcome === undefined ? { state: after, done: false, reward: 0, info: { success: false } } : ended(after)
    },
    view: state => viewLines(state, options.opponent).join('\n'),
    record: ({ task, hand }) => {
      const other = task.recorded === undefined ? options.opponent : 'opponent'
      return handHistory({ hand, players: task.seat === BUTTON ? [POLICY_NAME, other] : [other, POLICY_NAME] })
    },
    demonstrate: ({ task, hand, turns }) => {
      if (hand.outcome !== undefined) return 'c'
      const view = seatView(hand)
      return writeAction(loosePassive(view, createRng(`holdem demonstration/${task.deal}/${task.seat}/${turns}`)), view)
    }
  }
}

/** Seeds that end in the numbers 2k and 2k + 1 make a pair: one deal, the policy first on the button, then on the big blind. */
function taskOf(seed: number | string, split: Split): HoldemTask {
  const [, name, number] = /^(.*?)(\d*)$/s.exec(String(seed))!
  const index = BigInt(number === '' ? 0 : number!)
  return { deal: `${split}/${name}${index / 2n}`, seat: index % 2n === 0n ? BUTTON : BIG_BLIND }
}

/** Plays what a text says, or what becomes of a text that says nothing legal. */
function playText(hand: HandState, text: string): { readonly hand: HandState; readonly refused?: string } {
  const view = seatView(hand)
  const read = readAction(text, view)
  if (read.kind === 'unreadable') return { hand: playLegal(hand, checkOrFold(view)), refused: read.message }
  const result = playAction(hand, read.action)
  if (result.kind === 'played') return { hand: result.hand }
  return { hand: playLegal(hand, checkOrFold(view)), refused: result.refusal.message }
}

function playLegal(hand: HandState, action: Action): HandState {
  const result = playAction(hand, action)
  if (result.kind === 'refused') throw new Error(`holdem: ${result.refusal.message}`)
  return result.hand
}

function viewLines({ task, hand, refused }: HoldemState, opponent: string): string[] {
  const other = task.recorded === undefined ? opponent : 'opponent'
  const names: Both<string> = task.seat === BUTTON ? ['you', other] : [other, 'you']
  const cards = (seat: Seat): string => hand.deal.holes[seat].map(cardText).join(' ')
  const theirs = hand.outcome?.kind === 'showdown' ? ` · ${other}: ${cards(otherSeat(task.seat))}` : ''
  const place = task.seat === BUTTON ? 'on the button' : 'on the big blind'
  const head = `you: ${cards(task.seat)}, ${place}${theirs}`
  const note = refused === undefined ? [] : [`Not played: ${refused}`]
  return [head, ...storyLines(handStory(hand), names, hand.deal), ...note]
}
