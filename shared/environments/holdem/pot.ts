import { BIG_BLIND, BUTTON, withSeat, type Both } from './seat.ts'

/**
 * Divides a pot at the showdown. The odd chip of a split pot goes to the player out of position, who is first to the left of
 * the button (TDA rules 2024, "Odd chips"). With two players and no rake a matched pot is even, so only a caller that takes
 * chips out of it meets an odd one.
 *
 * @param ranks of the two hands, as handRank gives them
 * @returns chips for each seat; they sum to the pot
 */
export function splitPot(pot: number, ranks: Both<number>): Both<number> {
  if (ranks[BUTTON] > ranks[BIG_BLIND]) return withSeat([0, 0], BUTTON, pot)
  if (ranks[BUTTON] < ranks[BIG_BLIND]) return withSeat([0, 0], BIG_BLIND, pot)
  const half = Math.floor(pot / 2)
  return withSeat([half, half], BIG_BLIND, pot - half)
}
