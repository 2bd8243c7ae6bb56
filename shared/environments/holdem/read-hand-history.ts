/**
 * Reads one hand in the PHH format, as hand-history.ts writes it, by playing it again. The text may be from anywhere: nothing of it
 * is believed unseen. No TOML library takes part, since pages read hands, too.
 */
import { decode, v } from '../../protocol/schema.ts'
import { CARDS, parseCards, type Card } from './cards.ts'
import type { Deal } from './deck.ts'
import type { HandOfPlayers } from './hand-history.ts'
import type { Action, HandState } from './hand-state.ts'
import { playAction, startHand } from './hand.ts'
import { BIG_BLIND, BUTTON, type Both } from './seat.ts'

const BOARD = 5
const MOST_ACTIONS = 512

const chips = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(1_000_000_000))
const notation = v.pipe(v.string(), v.regex(/^(?:d dh p[12] \w{4}|d db (?:\w{6}|\w{2})|p[12] (?:f|cc|cbr [1-9]\d{0,9}|sm \w{4}))$/, 'an action of this game'))
const playerName = v.pipe(v.string(), v.maxLength(64))

/** The keys that count here; others are other programs' affair. */
const phh = v.object({
  variant: v.literal('NT'),
  blinds_or_straddles: v.tuple([chips, chips]),
  starting_stacks: v.tuple([chips, chips]),
  actions: v.pipe(v.array(notation), v.maxLength(MOST_ACTIONS)),
  players: v.tuple([playerName, playerName])
})

/** @returns undefined where the text is no hand of two players that the rules allow */
export function readHandHistory(text: string): HandOfPlayers | undefined {
  const decoded = decode(phh, keysIn(text))
  if (decoded.kind === 'malformed') return undefined
  const { blinds_or_straddles: [small, big], starting_stacks: stacks, actions, players } = decoded.value
  const deal = dealIn(actions)
  if (deal === undefined || small > big) return undefined
  let hand: HandState | undefined = startHand(deal, { small, big }, fromNumbers(stacks))
  for (const played of actions) if (hand !== undefined && played.startsWith('p') && !played.includes(' sm ')) hand = playedOn(hand, played)
  return hand && { hand, players: fromNumbers(players) }
}

/** p1 is the big blind, p2 the button. */
function fromNumbers<T>([first, second]: readonly [T, T]): Both<T> {
  return [second, first]
}

/** A key and its value on one line, or an array with one element on each. What is no such key is left out. */
const KEY = /^(\w+) = (\[\n(?: {2}.+\n)*\]|.+)$/gm

/** The values are JSON, too, but for the comma after the last element of an array. */
function keysIn(text: string): unknown {
  try {
    return Object.fromEntries([...text.matchAll(KEY)].map(([, key, value]) => [key, JSON.parse(value!.replace(/,\n\]$/, '\n]'))]))
  } catch {
    return undefined
  }
}

/** What was dealt, and any other cards where the hand ended before they mattered. */
function dealIn(actions: readonly string[]): Deal | undefined {
  const cardsOf = (start: string): Card[] => actions.filter(action => action.startsWith(start)).flatMap(action => parseCards(action.split(' ').at(-1)!) ?? [])
  const holes = [cardsOf('d dh p1'), cardsOf('d dh p2')]
  const open = cardsOf('d db')
  const dealt = new Set([...holes.flat(), ...open])
  if (holes.some(({ length }) => length !== 2) || open.length > BOARD || dealt.size !== 4 + open.length) return undefined
  const unseen = Array.from({ length: CARDS }, (_, card) => card).filter(card => !dealt.has(card))
  return { holes: [holes[1], holes[0]], board: [...open, ...unseen].slice(0, BOARD) } as unknown as Deal
}

/** @returns undefined where it is not this player's turn, or the action is against the rules */
function playedOn(hand: HandState, notation: string): HandState | undefined {
  const [player, verb, amount] = notation.split(' ')
  if (hand.toAct !== (player === 'p1' ? BIG_BLIND : BUTTON)) return undefined
  const action: Action = verb === 'f' ? { kind: 'fold' } : verb === 'cc' ? { kind: 'call' } : { kind: 'raise', to: Number(amount) }
  const result = playAction(hand, action)
  return result.kind === 'played' ? result.hand : undefined
}
