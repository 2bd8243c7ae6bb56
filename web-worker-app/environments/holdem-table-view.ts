/** A hand of hold'em as a page shows it. Pure. */
import { cardText, RANK_NAMES, rankOf, SUIT_NAMES, suitOf, type Card } from '#shared/environments/holdem/cards.ts'
import { netChips, openBoard, type HandState } from '#shared/environments/holdem/hand-state.ts'
import { handStory, type HandEnd, type StoryStep } from '#shared/environments/holdem/hand-story.ts'
import { BUTTON, otherSeat, type Seat } from '#shared/environments/holdem/seat.ts'

export interface CardView {
  readonly text: string
  /** For people who listen: `ace of spades`. */
  readonly name: string
  /** Hearts and diamonds. */
  readonly red: boolean
}

export interface PlayerView {
  readonly name: string
  readonly position: string
  /** Undefined where the cards are not shown to the viewer. */
  readonly cards: readonly [CardView, CardView] | undefined
  readonly stack: number
}

export interface StreetView {
  readonly name: string
  readonly board: readonly CardView[]
  readonly actions: readonly { readonly who: string; readonly what: string }[]
  readonly pot: number
}

export interface HoldemTableView {
  readonly players: readonly [PlayerView, PlayerView]
  readonly board: readonly CardView[]
  readonly streets: readonly StreetView[]
  /** One sentence, once the hand is over. */
  readonly result: string | undefined
}

const SUIT_SIGNS = ['♣', '♦', '♥', '♠']

/**
 * The table as the policy's side sees it, the policy first. The other cards are shown after a showdown only.
 * @param seat the policy's
 */
export function holdemTableView(hand: HandState, seat: Seat, names: { readonly policy: string; readonly opponent: string }): HoldemTableView {
  const nameOf = (of: Seat): string => (of === seat ? names.policy : names.opponent)
  const { steps, end } = handStory(hand)
  const player = (of: Seat, shown: boolean): PlayerView => ({
    name: nameOf(of),
    position: of === BUTTON ? 'button' : 'big blind',
    cards: shown ? [cardView(hand.deal.holes[of][0]), cardView(hand.deal.holes[of][1])] : undefined,
    stack: hand.stacks[of]
  })
  const streets = [...new Set(steps.map(({ street }) => street))]
  return {
    players: [player(seat, true), player(otherSeat(seat), end?.kind === 'showdown')],
    board: openBoard(hand).map(cardView),
    streets: streets.map(name => streetView(name, steps.filter(({ street }) => street === name), nameOf)),
    result: end === undefined ? undefined : resultSentence(end, netChips(hand, seat), hand.blinds.big, seat, names)
  }
}

function cardView(card: Card): CardView {
  const suit = suitOf(card)
  return { text: `${cardText(card)[0]}${SUIT_SIGNS[suit]}`, name: `${RANK_NAMES[rankOf(card)]} of ${SUIT_NAMES[suit]}`, red: suit === 1 || suit === 2 }
}

function streetView(name: string, steps: readonly StoryStep[], nameOf: (seat: Seat) => string): StreetView {
  return {
    name,
    board: steps[0]!.board.map(cardView),
    actions: steps.map(({ seat, text }) => ({ who: seat === undefined ? '' : nameOf(seat), what: text })),
    pot: steps.at(-1)!.pot
  }
}

function resultSentence(end: HandEnd, won: number, bigBlind: number, seat: Seat, { policy, opponent }: { readonly policy: string; readonly opponent: string }): string {
  const cards = end.hands === undefined ? '' : `: ${end.hands[seat]} against ${end.hands[otherSeat(seat)]}`
  if (won === 0) return `Split pot${cards}`
  const blinds = (Math.abs(won) / bigBlind).toLocaleString('en', { maximumFractionDigits: 1 })
  return `${won > 0 ? policy : opponent} wins ${Math.abs(won)} chips (${blinds} big blind${blinds === '1' ? '' : 's'})${cards}`
}
