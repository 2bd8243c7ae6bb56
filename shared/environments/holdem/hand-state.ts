import type { Card } from './cards.ts'
import type { Deal } from './deck.ts'
import type { Both, Seat } from './seat.ts'

export const STREETS = ['preflop', 'flop', 'turn', 'river'] as const
export type Street = (typeof STREETS)[number]

const BOARD_CARDS: Readonly<Record<Street, number>> = { preflop: 0, flop: 3, turn: 4, river: 5 }

/** Forced bets in chips. The big blind is also the smallest bet. */
export interface Blinds {
  readonly small: number
  readonly big: number
}

export type Action =
  | { readonly kind: 'fold' }
  /** Matches the other's bet as far as the stack goes; a check when there is nothing to match. */
  | { readonly kind: 'call' }
  /** A bet or a raise: `to` is the total that the seat has then bet on this street. */
  | { readonly kind: 'raise'; readonly to: number }

export interface PlayedAction {
  readonly street: Street
  readonly seat: Seat
  readonly action: Action
}

/** How the pot was given away. */
export interface Outcome {
  readonly kind: 'fold' | 'showdown'
  /** Chips taken from the pot, without a seat's own unmatched bet, which had gone back to it before. */
  readonly won: Both<number>
}

/**
 * One hand of heads-up no-limit hold'em, as plain JSON. Chips are whole numbers, and `stacks`, `bets` and `pot` always sum
 * to `startingStacks`.
 */
export interface HandState {
  readonly blinds: Blinds
  readonly startingStacks: Both<number>
  /** Known to the table, not to the players: what a seat may know is in seat-view.ts. */
  readonly deal: Deal
  readonly street: Street
  /** Chips behind. */
  readonly stacks: Both<number>
  /** Chips bet on this street. */
  readonly bets: Both<number>
  /** Chips bet on earlier streets. */
  readonly pot: number
  /** Size of the last full bet or raise of this street, the least that the next one must add. */
  readonly fullRaise: number
  /** Whether a seat has acted since the street began. */
  readonly acted: Both<boolean>
  /** Absent when the hand is over. */
  readonly toAct?: Seat
  readonly actions: readonly PlayedAction[]
  readonly outcome?: Outcome
}

/** The board as far as it lies open. After an all-in this is the whole board. */
export function openBoard({ deal, street }: HandState): readonly Card[] {
  return deal.board.slice(0, BOARD_CARDS[street])
}

export function boardCards(street: Street): number {
  return BOARD_CARDS[street]
}

/** Chips that a seat has won (or, below zero, lost) so far. */
export function netChips({ stacks, startingStacks }: HandState, seat: Seat): number {
  return stacks[seat] - startingStacks[seat]
}
