import { rankOf, suitOf, type Card } from './cards.ts'
import { handRank, HAND_CATEGORIES, handCategory } from './hand-rank.ts'
import type { HandState } from './hand-state.ts'
import { BUTTON, type Seat } from './seat.ts'
import type { SeatView } from './seat-view.ts'

const RANK_LETTERS = '23456789TJQKA'

/** Suits in the order in which they are first seen. */
const SUIT_LETTERS = 'shdc'

/**
 * What a policy is shown at a decision: `AsKhb p003c001:` before the flop, `AsKhb Qs7d2c1 p012c004:` after it.
 *
 * - own cards, the higher first; `b` on the button, `o` on the big blind;
 * - the board, sorted within a street, and the kind of hand that one now has: 0 for a high card to 8 for a straight flush;
 * - chips in the pot and to call, each with as many digits as all chips together. What is left in the stacks follows from them: both
 *   began alike, and bets differ by what is to call.
 *
 * Suits have no names of their own in hold'em: they are renamed in the order in which they appear, so that one situation has one
 * text rather than 24 (suit isomorphism; Waugh, "A fast and optimal hand isomorphism algorithm", 2013). A later street only
 * adds cards, so names hold for the whole hand.
 */
export function promptText(view: SeatView): string {
  const { hole, board, seat, pot, legal, stack, otherStack } = view
  const shown = isomorphicText(hole, board)
  const made = board.length === 0 ? '' : ` ${shown.board}${HAND_CATEGORIES.indexOf(handCategory(handRank([...hole, ...board])))}`
  const digits = String(pot + stack + otherStack).length
  const chips = (count: number): string => String(count).padStart(digits, '0')
  return `${shown.hole}${positionLetter(seat)}${made} p${chips(pot)}c${chips(legal.call)}:`
}

/** What a policy is shown that wins before its first decision, because the other folds: whatever it answers, the hand is over. */
export function walkText({ deal }: HandState, seat: Seat): string {
  return `${isomorphicText(deal.holes[seat], []).hole}${positionLetter(seat)} won:`
}

function positionLetter(seat: Seat): string {
  return seat === BUTTON ? 'b' : 'o'
}

function isomorphicText(hole: readonly Card[], board: readonly Card[]): { readonly hole: string; readonly board: string } {
  const suits: number[] = []
  const order = (card: Card): number => (suits.includes(suitOf(card)) ? suits.indexOf(suitOf(card)) : SUIT_LETTERS.length)
  const street = (cards: readonly Card[]): string =>
    cards
      .toSorted((a, b) => rankOf(b) - rankOf(a) || order(a) - order(b))
      .map(card => {
        if (!suits.includes(suitOf(card))) suits.push(suitOf(card))
        return `${RANK_LETTERS[rankOf(card)]}${SUIT_LETTERS[suits.indexOf(suitOf(card))]}`
      })
      .join('')
  return { hole: street(hole), board: [board.slice(0, 3), board.slice(3, 4), board.slice(4)].map(street).join('') }
}
