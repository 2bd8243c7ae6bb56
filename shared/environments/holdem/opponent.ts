/** The other seat, as the environment knows it: a way of playing that is computed, or actions that were recorded elsewhere. */
import { createRng } from '../../random/rng.ts'
import type { Action, HandState } from './hand-state.ts'
import { playAction } from './hand.ts'
import type { Player } from './player.ts'
import { seatView, type SeatView } from './seat-view.ts'
import type { Seat } from './seat.ts'

/**
 * @param decision number of the opponent's decision in this hand, from 0
 * @returns undefined when the action isn't known yet: the hand then waits for it
 */
export type Opponent = (view: SeatView, decision: number) => Action | undefined

/** Its random numbers depend on the deal and the number of the decision only, so that equal play of the policy meets an equal answer. */
export function computedOpponent(player: Player, deal: string): Opponent {
  return (view, decision) => player(view, createRng(`holdem opponent/${deal}/${decision}`))
}

/**
 * For opponents that can't be computed here, such as an earlier policy version or a model behind an HTTP endpoint: whoever drives the
 * hand asks them, and keeps the answers; from these the hand can be replayed anywhere.
 */
export function recordedOpponent(actions: readonly Action[]): Opponent {
  return (_, decision) => actions[decision]
}

/** The record of an opponent ends where the hand goes on: it has to be asked what it does here, and the step taken again with a longer record. */
export class OpponentWanted extends Error {
  override readonly name = 'OpponentWanted'

  /** What it sees there. */
  readonly view: SeatView

  constructor(view: SeatView) {
    super('holdem: the record of the opponent ends before the hand does')
    this.view = view
  }
}

/**
 * Plays the opponent's actions until it's the other seat's turn or the hand is over.
 * @returns a hand in which it's still the opponent's turn when the action isn't known yet
 * @throws {Error} when the opponent acts against the rules: that is a bug of a player, or a record of another hand
 */
export function playOpponent(hand: HandState, seat: Seat, opponent: Opponent): HandState {
  let current = hand
  while (current.toAct === seat) {
    const action = opponent(seatView(current), current.actions.filter(played => played.seat === seat).length)
    if (action === undefined) break
    const result = playAction(current, action)
    if (result.kind === 'refused') throw new Error(`playOpponent: ${result.refusal.message}`)
    current = result.hand
  }
  return current
}
