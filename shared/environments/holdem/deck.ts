import type { Rng } from '../../random/rng.ts'
import { CARDS, type Card } from './cards.ts'
import type { Both } from './seat.ts'

export type HoleCards = readonly [Card, Card]

/** Every card that a hand of two players can need, fixed before the first action. */
export interface Deal {
  readonly holes: Both<HoleCards>
  /** Flop, turn and river, whether or not the hand gets that far. */
  readonly board: readonly [Card, Card, Card, Card, Card]
}

/** @returns all 52 cards, each order as likely as any other (Fisher and Yates, in Durstenfeld's form) */
export function shuffledDeck(rng: Rng): Card[] {
  const deck = Array.from({ length: CARDS }, (_, card) => card)
  for (let last = CARDS - 1; last > 0; last--) {
    const chosen = rng.below(last + 1)
    const card = deck[last]!
    deck[last] = deck[chosen]!
    deck[chosen] = card
  }
  return deck
}

/**
 * Deals as at a table: one card at a time, the big blind first, and one card burnt before each street.
 * @param deck at least 12 cards, top first
 */
export function dealFrom(deck: readonly Card[]): Deal {
  if (deck.length < 12) throw new RangeError(`dealFrom: a hand needs 12 cards, not ${deck.length}`)
  const at = (index: number): Card => deck[index]!
  const first: HoleCards = [at(0), at(2)]
  const second: HoleCards = [at(1), at(3)]
  return { holes: [second, first], board: [at(5), at(6), at(7), at(9), at(11)] }
}
