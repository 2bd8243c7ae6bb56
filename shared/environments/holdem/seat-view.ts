import type { Card } from './cards.ts'
import type { HoleCards } from './deck.ts'
import { legalActions, type LegalActions } from './betting.ts'
import { openBoard, type HandState, type PlayedAction, type Street } from './hand-state.ts'
import { otherSeat, type Seat } from './seat.ts'

/** What the player whose turn it is knows: everything on the table, and of the cards only its own and the open board. */
export interface SeatView {
  readonly seat: Seat
  readonly street: Street
  readonly hole: HoleCards
  readonly board: readonly Card[]
  /** All chips bet so far in this hand, this street's included. */
  readonly pot: number
  /** Chips that this seat has bet on this street. */
  readonly bet: number
  /** Chips behind. */
  readonly stack: number
  readonly otherStack: number
  readonly bigBlind: number
  readonly legal: LegalActions
  readonly actions: readonly PlayedAction[]
}

/** @throws {Error} when the hand is over */
export function seatView(hand: HandState): SeatView {
  const seat = hand.toAct
  if (seat === undefined) throw new Error('seatView: the hand is over')
  return {
    seat,
    street: hand.street,
    hole: hand.deal.holes[seat],
    board: openBoard(hand),
    pot: hand.pot + hand.bets[0] + hand.bets[1],
    bet: hand.bets[seat],
    stack: hand.stacks[seat],
    otherStack: hand.stacks[otherSeat(seat)],
    bigBlind: hand.blinds.big,
    legal: legalActions(hand),
    actions: hand.actions
  }
}

/** Bets and raises on the street that is being played; a blind isn't one. */
export function raisesOnStreet({ actions, street }: SeatView): number {
  return actions.filter(played => played.street === street && played.action.kind === 'raise').length
}

/** Who bet or raised last before this street, if anybody did. */
export function lastAggressor({ actions, street }: SeatView): Seat | undefined {
  return actions.findLast(played => played.street !== street && played.action.kind === 'raise')?.seat
}

/**
 * A raise by a share of the pot, after calling: 1 is a pot-size raise. Bounded by what is legal.
 * @returns the total to raise to, or undefined when no raise is allowed
 */
export function raiseByPot({ pot, bet, legal }: SeatView, share: number): number | undefined {
  if (legal.raise === undefined) return undefined
  const level = bet + legal.call
  return Math.min(legal.raise.max, Math.max(legal.raise.min, level + Math.round(share * (pot + legal.call))))
}
