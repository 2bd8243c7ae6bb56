/** How good cards are: before the flop by a count of points, after it by looking at everything that the other may hold. */
import { CARDS, rankOf, suitOf, type Card } from './cards.ts'
import type { HoleCards } from './deck.ts'
import { handRank } from './hand-rank.ts'

const QUEEN = 10

/** Points of a high card by rank: half its pips, and 6, 7, 8, 10 for jack to ace. */
const HIGH_CARD_POINTS = [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 10]

/** Taken off for 0, 1, 2, 3 and more ranks between the two cards. */
const GAP_POINTS = [0, 1, 2, 4, 5]

/**
 * Bill Chen's count for two hole cards (in Krieger, "Hold'em Excellence", 2000): from -1 for a seven and a two that differ in suit to 20
 * for two aces.
 */
export function startingPoints([first, second]: HoleCards): number {
  const high = Math.max(rankOf(first), rankOf(second))
  const low = Math.min(rankOf(first), rankOf(second))
  const points = HIGH_CARD_POINTS[high]!
  if (high === low) return Math.ceil(Math.max(5, 2 * points))
  const gap = high - low - 1
  const suited = suitOf(first) === suitOf(second) ? 2 : 0
  const straights = gap <= 1 && high < QUEEN ? 1 : 0
  return Math.ceil(points + suited + straights - GAP_POINTS[Math.min(gap, 4)]!)
}

/**
 * Share of the other player's possible hole cards that this hand beats now, ties counted half, each holding taken as equally
 * likely (hand strength of Billings, Davidson, Schaeffer and Szafron, "The challenge of poker", Artificial Intelligence 134, 2002, section 5.2).
 *
 * @param board three to five cards
 * @returns from 0 to 1; cards to come are not looked at
 */
export function handStrength(hole: HoleCards, board: readonly Card[]): number {
  const own = handRank([...hole, ...board])
  const unseen = Array.from({ length: CARDS }, (_, card) => card).filter(card => !hole.includes(card) && !board.includes(card))
  const theirs = [0, 0, ...board]
  let beaten = 0
  let tied = 0
  for (let first = 1; first < unseen.length; first++) {
    theirs[0] = unseen[first]!
    for (let second = 0; second < first; second++) {
      theirs[1] = unseen[second]!
      const rank = handRank(theirs)
      if (rank < own) beaten++
      else if (rank === own) tied++
    }
  }
  return (beaten + tied / 2) / ((unseen.length * (unseen.length - 1)) / 2)
}
