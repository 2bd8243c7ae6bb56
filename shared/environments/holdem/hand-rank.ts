import type { Card } from './cards.ts'

/** The nine kinds of five-card hands, weakest first; a royal flush is the highest straight flush. */
export const HAND_CATEGORIES = ['high card', 'pair', 'two pair', 'three of a kind', 'straight', 'flush', 'full house', 'four of a kind', 'straight flush'] as const
export type HandCategory = (typeof HAND_CATEGORIES)[number]

const RANK_BITS = 13
const CATEGORY_SHIFT = 2 * RANK_BITS
const FIVE_IN_A_ROW = 5

/**
 * The strength of the best five-card hand among up to seven cards, without a table: ranks are bits of a word, so that kinds
 * are found by a few operations on words.
 *
 * @param cards five to seven different cards
 * @returns the category above bit 26, then two words of 13 bits that break ties. A larger number wins, an equal one splits
 */
export function handRank(cards: readonly Card[]): number {
  // Ranks seen at least once, twice, three times, four times.
  let once = 0
  let twice = 0
  let thrice = 0
  let four = 0
  let clubs = 0
  let diamonds = 0
  let hearts = 0
  let spades = 0
  // By index, and with a card's rank and suit taken apart here: opponents rank thousands of hands for one decision.
  for (let index = 0; index < cards.length; index++) {
    const card = cards[index]!
    const bit = 1 << (card >> 2)
    four |= thrice & bit
    thrice |= twice & bit
    twice |= once & bit
    once |= bit
    const suit = card & 3
    if (suit === 0) clubs |= bit
    else if (suit === 1) diamonds |= bit
    else if (suit === 2) hearts |= bit
    else spades |= bit
  }
  // Of seven cards at most one suit has five.
  const flush = fiveOf(clubs) | fiveOf(diamonds) | fiveOf(hearts) | fiveOf(spades)
  if (flush !== 0) {
    const top = straightStart(flush)
    if (top !== 0) return ranked(8, top, 0)
  }
  if (four !== 0) return ranked(7, four, highest(once & ~four))
  if (thrice !== 0) {
    const triple = highest(thrice)
    const pair = highest(twice & ~triple)
    if (pair !== 0) return ranked(6, triple, pair)
  }
  if (flush !== 0) return ranked(5, highestOf(flush, 5), 0)
  const straight = straightStart(once)
  if (straight !== 0) return ranked(4, straight, 0)
  if (thrice !== 0) return ranked(3, thrice, highestOf(once & ~thrice, 2))
  if (twice !== 0) {
    const pairs = highestOf(twice, 2)
    const kickers = once & ~pairs
    return (pairs & (pairs - 1)) === 0 ? ranked(1, pairs, highestOf(kickers, 3)) : ranked(2, pairs, highest(kickers))
  }
  return ranked(0, highestOf(once, 5), 0)
}

/** @param rank as returned by {@link handRank} */
export function handCategory(rank: number): HandCategory {
  return HAND_CATEGORIES[rank >> CATEGORY_SHIFT]!
}

function ranked(category: number, primary: number, kickers: number): number {
  return (category << CATEGORY_SHIFT) | (primary << RANK_BITS) | kickers
}

/** The word itself if it has five bits or more, else 0. */
function fiveOf(suit: number): number {
  const withoutFour = clearLowest(clearLowest(clearLowest(clearLowest(suit))))
  return withoutFour === 0 ? 0 : suit
}

function clearLowest(word: number): number {
  return word & (word - 1)
}

function highest(word: number): number {
  return word === 0 ? 0 : 1 << (31 - Math.clz32(word))
}

/** The `count` highest bits of a word. */
function highestOf(word: number, count: number): number {
  let rest = word
  let kept = 0
  for (let taken = 0; taken < count; taken++) {
    const bit = highest(rest)
    kept |= bit
    rest ^= bit
  }
  return kept
}

/** The lowest rank's bit of the highest five in a row, 0 if there are none; an ace also stands below the two. */
function straightStart(ranks: number): number {
  let runs = (ranks << 1) | (ranks >> (RANK_BITS - 1))
  for (let length = 1; length < FIVE_IN_A_ROW; length++) runs &= runs >> 1
  return highest(runs)
}
