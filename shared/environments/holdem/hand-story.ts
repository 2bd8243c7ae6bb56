/** A hand told step by step, for people: the terminal prints it, the page draws it. */
import { cardText, type Card } from './cards.ts'
import { handCategory, handRank, type HandCategory } from './hand-rank.ts'
import { netChips, openBoard, type Action, type HandState, type Street } from './hand-state.ts'
import { playAction, startHand } from './hand.ts'
import { otherSeat, type Both, type Seat } from './seat.ts'

/** The table after one action, or after the blinds were posted. */
export interface StoryStep {
  readonly street: Street
  /** Open when the action was taken. */
  readonly board: readonly Card[]
  /** Absent for the blinds. */
  readonly seat?: Seat
  /** `raises to 6`, without a subject. */
  readonly text: string
  /** All chips bet so far, and what is left behind, after the action. */
  readonly pot: number
  readonly stacks: Both<number>
}

export interface HandEnd {
  readonly kind: 'fold' | 'showdown'
  readonly net: Both<number>
  /** Of a showdown: what each hand was. */
  readonly hands?: Both<HandCategory>
}

export interface HandStory {
  readonly steps: readonly StoryStep[]
  readonly end?: HandEnd
}

/** @throws {Error} when the record of actions isn't one of a hand: the story is told by playing it again */
export function handStory(hand: HandState): HandStory {
  const { small, big } = hand.blinds
  let current = startHand(hand.deal, hand.blinds, hand.startingStacks)
  const opening = { street: 'preflop' as const, board: [], text: `blinds ${small} and ${big}`, ...chipsOf(current) }
  const steps: StoryStep[] = [opening]
  for (const { street, seat, action } of hand.actions) {
    const text = actionWords(current, seat, action)
    const board = openBoard(current)
    const result = playAction(current, action)
    if (result.kind === 'refused') throw new Error(`handStory: ${result.refusal.message}`)
    // What goes into the pot is told as if the street were still open: an award empties it.
    steps.push({ street, board, seat, text, ...chipsAfter(current, result.hand) })
    current = result.hand
  }
  return hand.outcome === undefined ? { steps } : { steps, end: handEnd(hand, hand.outcome.kind) }
}

/** One line for each street, and one for the end. @param names of the seats, as subjects of a sentence, such as `you` */
export function storyLines({ steps, end }: HandStory, names: Both<string>, deal: HandState['deal']): string[] {
  const streets = new Map<Street, StoryStep[]>()
  for (const step of steps) streets.set(step.street, [...(streets.get(step.street) ?? []), step])
  const lines = [...streets].map(([street, steps]) => {
    const board = steps[0]!.board.map(cardText).join(' ')
    const told = steps.map(({ seat, text }) => (seat === undefined ? text : `${names[seat]}: ${text}`)).join(', ')
    return `${street}${board === '' ? '' : ` ${board}`} · ${told} · pot ${steps.at(-1)!.pot}`
  })
  if (end === undefined) return lines
  if (end.hands !== undefined) {
    lines.push(`board ${deal.board.map(cardText).join(' ')} · ${names[0]}: ${end.hands[0]}, ${names[1]}: ${end.hands[1]}`)
  }
  const winner = end.net[0] === end.net[1] ? undefined : end.net[0] > 0 ? 0 : 1
  lines.push(winner === undefined ? 'split pot' : `${names[winner]}: +${end.net[winner]} chips`)
  return lines
}

function chipsOf({ pot, bets, stacks }: HandState): Pick<StoryStep, 'pot' | 'stacks'> {
  return { pot: pot + bets[0] + bets[1], stacks }
}

function chipsAfter(before: HandState, after: HandState): Pick<StoryStep, 'pot' | 'stacks'> {
  if (after.outcome === undefined) return chipsOf(after)
  const { won } = after.outcome
  const stacks: Both<number> = [after.stacks[0] - won[0], after.stacks[1] - won[1]]
  return { stacks, pot: before.startingStacks[0] + before.startingStacks[1] - stacks[0] - stacks[1] }
}

function actionWords({ bets, stacks }: HandState, seat: Seat, action: Action): string {
  const other = bets[otherSeat(seat)]
  switch (action.kind) {
    case 'fold':
      return 'folds'
    case 'call': {
      const cost = Math.min(other - bets[seat], stacks[seat])
      return cost <= 0 ? 'checks' : `calls ${cost}${cost === stacks[seat] ? ', all-in' : ''}`
    }
    case 'raise': {
      const allIn = action.to === bets[seat] + stacks[seat] ? ', all-in' : ''
      return other === 0 && bets[seat] === 0 ? `bets ${action.to}${allIn}` : `raises to ${action.to}${allIn}`
    }
  }
}

function handEnd(hand: HandState, kind: HandEnd['kind']): HandEnd {
  const net: Both<number> = [netChips(hand, 0), netChips(hand, 1)]
  if (kind === 'fold') return { kind, net }
  const { holes, board } = hand.deal
  return { kind, net, hands: [handCategory(handRank([...holes[0], ...board])), handCategory(handRank([...holes[1], ...board]))] }
}
