/**
 * Hands in the PHH format: TOML that poker software parses, replays and checks (Kim, "Recording and describing poker hands",
 * IEEE Conference on Games 2024, arXiv 2312.11753; sections on required fields and action notation). Several hands make a PHHS
 * text: one table for each, named by its number.
 */
import { cardsText } from './cards.ts'
import { boardCards, STREETS, type HandState, type PlayedAction, type Street } from './hand-state.ts'
import { BIG_BLIND, BUTTON, otherSeat, type Both, type Seat } from './seat.ts'

export interface HandOfPlayers {
  readonly hand: HandState
  /** Names of the button and of the big blind. */
  readonly players: Both<string>
}

/** Of the player that is trained, in the record of a rollout. */
export const POLICY_NAME = 'policy'

/**
 * Players are numbered as PHH has it with two of them: p1 is the big blind, p2 the button, and `blinds_or_straddles` is
 * assigned in reverse.
 */
const PLAYER: Both<string> = ['p2', 'p1']

/** One hand. It may be unfinished: then the record ends where the hand stands. */
export function handHistory({ hand, players }: HandOfPlayers): string {
  const inOrder = <T>(both: Both<T>): string => `[${JSON.stringify(both[BIG_BLIND])}, ${JSON.stringify(both[BUTTON])}]`
  const lines = [
    'variant = "NT"',
    'antes = [0, 0]',
    `blinds_or_straddles = [${hand.blinds.small}, ${hand.blinds.big}]`,
    `min_bet = ${hand.blinds.big}`,
    `starting_stacks = ${inOrder(hand.startingStacks)}`,
    'actions = [',
    ...actionNotations(hand).map(notation => `  "${notation}",`),
    ']',
    `players = ${inOrder(players)}`
  ]
  if (hand.outcome !== undefined) lines.push(`finishing_stacks = ${inOrder(hand.stacks)}`)
  return `${lines.join('\n')}\n`
}

/** @param first number of the first hand; the others count on from it */
export function handHistories(hands: readonly HandOfPlayers[], first = 1): string {
  return hands.map((hand, index) => `[${first + index}]\n${handHistory(hand)}hand = ${first + index}\n`).join('\n')
}

function actionNotations(hand: HandState): string[] {
  const { deal, actions, outcome, street: last } = hand
  const notations = [BIG_BLIND, BUTTON].map(seat => `d dh ${PLAYER[seat]} ${cardsText(deal.holes[seat])}`)
  const reached = STREETS.slice(0, STREETS.indexOf(last) + 1)
  const shown = outcome?.kind === 'showdown' ? showdownOrder(actions).map(seat => `${PLAYER[seat]} sm ${cardsText(deal.holes[seat])}`) : []
  const bettingEnds = actions.at(-1)?.street ?? 'preflop'
  for (const street of reached) {
    if (street !== 'preflop') notations.push(`d db ${cardsText(dealtOn(hand, street))}`)
    for (const played of actions) if (played.street === street) notations.push(actionNotation(played))
    // After an all-in hands are shown before the rest of the board is dealt.
    if (street === bettingEnds) notations.push(...shown)
  }
  return notations
}

function dealtOn({ deal }: HandState, street: Street): number[] {
  const before = STREETS[STREETS.indexOf(street) - 1]!
  return deal.board.slice(boardCards(before), boardCards(street))
}

function actionNotation({ seat, action }: PlayedAction): string {
  switch (action.kind) {
    case 'fold':
      return `${PLAYER[seat]} f`
    case 'call':
      return `${PLAYER[seat]} cc`
    case 'raise':
      return `${PLAYER[seat]} cbr ${action.to}`
  }
}

/** Who bet or raised last on the street where betting ended shows first, else the player out of position. */
function showdownOrder(actions: readonly PlayedAction[]): Seat[] {
  const street = actions.at(-1)?.street
  const first = actions.findLast(played => played.street === street && played.action.kind === 'raise')?.seat ?? BIG_BLIND
  return [first, otherSeat(first)]
}
