/** A playing card as a number in [0, 52): four times its rank (0 for the two, 12 for the ace) plus its suit. */
export type Card = number

export const CARDS = 52

const RANK_LETTERS = '23456789TJQKA'
const SUIT_LETTERS = 'cdhs'

/** By rank and by suit, for sentences. */
export const RANK_NAMES = ['two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'jack', 'queen', 'king', 'ace'] as const
export const SUIT_NAMES = ['clubs', 'diamonds', 'hearts', 'spades'] as const

/** @returns 0 for the two to 12 for the ace */
export function rankOf(card: Card): number {
  return card >> 2
}

/** @returns 0 to 3: clubs, diamonds, hearts, spades */
export function suitOf(card: Card): number {
  return card & 3
}

export function card(rank: number, suit: number): Card {
  return rank * 4 + suit
}

/** `As` for the ace of spades, `Td` for the ten of diamonds. */
export function cardText(card: Card): string {
  return `${RANK_LETTERS[rankOf(card)]}${SUIT_LETTERS[suitOf(card)]}`
}

export function cardsText(cards: readonly Card[]): string {
  return cards.map(cardText).join('')
}

/** @returns undefined when the text isn't a sequence of cards like `AsTd` */
export function parseCards(text: string): Card[] | undefined {
  if (text.length % 2 !== 0) return undefined
  const cards: Card[] = []
  for (let at = 0; at < text.length; at += 2) {
    const rank = RANK_LETTERS.indexOf(text[at]!)
    const suit = SUIT_LETTERS.indexOf(text[at + 1]!)
    if (rank < 0 || suit < 0) return undefined
    cards.push(card(rank, suit))
  }
  return cards
}
