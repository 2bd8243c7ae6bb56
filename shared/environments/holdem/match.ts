import { createRng } from '../../random/rng.ts'
import { dealFrom, shuffledDeck, type Deal } from './deck.ts'
import { netChips, type Blinds, type HandState } from './hand-state.ts'
import { startHand } from './hand.ts'
import { computedOpponent, playOpponent } from './opponent.ts'
import type { Player } from './player.ts'
import { BIG_BLIND, BUTTON, type Seat } from './seat.ts'
import type { PlayedHand } from './win-rate.ts'

export interface Table {
  readonly blinds: Blinds
  /** Chips of each player at the start of every hand. */
  readonly stack: number
}

/** The cards of a deal, fixed by its name. */
export function namedDeal(deal: string): Deal {
  return dealFrom(shuffledDeck(createRng(`holdem deal/${deal}`)))
}

/** One hand to its end. */
export function playHand(table: Table, deal: string, players: readonly [Player, Player]): HandState {
  let hand = startHand(namedDeal(deal), table.blinds, [table.stack, table.stack])
  while (hand.toAct !== undefined) hand = playOpponent(hand, hand.toAct, computedOpponent(players[hand.toAct], `${deal}/${hand.toAct}`))
  return hand
}

export interface MatchHand extends PlayedHand {
  readonly hand: HandState
  /** Of the player whose winnings are counted. */
  readonly seat: Seat
}

/**
 * A duplicate match: every deal is played twice, with seats swapped, so that both players get the same cards.
 * @returns two hands for each pair, with the winnings of `player`
 */
export function duplicateMatch(table: Table, player: Player, other: Player, pairs: number, seed: number | string): MatchHand[] {
  const hands: MatchHand[] = []
  for (let pair = 0; pair < pairs; pair++) {
    const deal = `${seed}/${pair}`
    for (const seat of [BUTTON, BIG_BLIND]) {
      const hand = playHand(table, deal, seat === BUTTON ? [player, other] : [other, player])
      hands.push({ hand, seat, deal, bigBlinds: netChips(hand, seat) / table.blinds.big })
    }
  }
  return hands
}
