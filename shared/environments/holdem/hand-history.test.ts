import { parse } from 'smol-toml'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../testing/property-runs.ts'
import { parseCards } from './cards.ts'
import type { Deal } from './deck.ts'
import { handHistories, handHistory } from './hand-history.ts'
import { playAction, startHand } from './hand.ts'
import { openBoard, type Action, type HandState } from './hand-state.ts'
import { playHand } from './match.ts'
import { PLAYERS, PLAYER_NAMES } from './players.ts'
import { readHandHistory } from './read-hand-history.ts'

const name = fc.constantFrom(...PLAYER_NAMES)

interface Phh {
  readonly variant: string
  readonly blinds_or_straddles: readonly [number, number]
  readonly starting_stacks: readonly [number, number]
  readonly finishing_stacks?: readonly [number, number]
  readonly actions: readonly string[]
}

/** Plays a PHH hand from its text alone: p1 is the big blind, p2 the button. Checks that the dealer deals when the rules say so. */
function replay(text: string): HandState {
  const phh = parse(text) as unknown as Phh
  const cards = (notation: string): number[] => parseCards(notation.split(' ').at(-1)!)!
  const holes = phh.actions.filter(notation => notation.startsWith('d dh')).map(cards)
  const board = phh.actions.filter(notation => notation.startsWith('d db')).flatMap(cards)
  // Cards that never lay open are not in the record and can't matter.
  const deal = { holes: [holes[1], holes[0]], board: [...board, ...Array.from({ length: 5 - board.length }, () => 0)] } as unknown as Deal
  const [bigBlindStack, buttonStack] = phh.starting_stacks
  let hand = startHand(deal, { small: phh.blinds_or_straddles[0], big: phh.blinds_or_straddles[1] }, [buttonStack, bigBlindStack])
  let open = 0
  for (const notation of phh.actions) {
    const [actor, verb, amount] = notation.split(' ')
    if (verb === 'db') open += cards(notation).length
    if (actor === 'd' || verb === 'sm') continue
    expect([actor, open]).toEqual([hand.toAct === 0 ? 'p2' : 'p1', openBoard(hand).length])
    const action: Action = verb === 'f' ? { kind: 'fold' } : verb === 'cc' ? { kind: 'call' } : { kind: 'raise', to: Number(amount) }
    const result = playAction(hand, action)
    if (result.kind === 'refused') throw new Error(result.refusal.message)
    hand = result.hand
  }
  return hand
}

describe('what is no hand is read as none', () => {
  const hand = playHand({ blinds: { small: 1, big: 2 }, stack: 100 }, '3', [PLAYERS['calling-station'], PLAYERS['calling-station']])
  const text = handHistory({ hand, players: ['a', 'b'] })
  const [hole] = /(?<=d dh p1 ).{4}/.exec(text)!

  test.each<readonly [what: string, found: string, instead: string]>([
    ['nothing', text, ''],
    ['other text', text, 'not TOML'],
    ['an array that is not closed', ']\n', '\n'],
    ['another game', '"NT"', '"PO"'],
    ['no players', 'players = ', 'seats = '],
    ['an action out of turn', 'p2 cc', 'p1 cc'],
    ['an action against the rules', 'p2 cc', 'p2 cbr 999'],
    ['a card that is dealt twice', hole, hole.slice(0, 2).repeat(2)],
    ['cards that are none', hole, 'ZzZz'],
    ['blinds the wrong way round', '[1, 2]', '[2, 1]'],
    ['a stack of nothing', '[100, 100]', '[0, 100]']
  ])('%s', (_, found, instead) => {
    expect(readHandHistory(text)).toBeDefined()
    expect(text).toContain(found)
    expect(readHandHistory(text.replace(found, instead))).toBeUndefined()
  })
})

describe('a hand history', () => {
  test('is TOML from which the hand can be played again to the same stacks', () => {
    fc.assert(
      fc.property(fc.nat(), name, name, fc.integer({ min: 1, max: 300 }), (seed, button, bigBlind, stack) => {
        const hand = playHand({ blinds: { small: 1, big: 2 }, stack }, String(seed), [PLAYERS[button], PLAYERS[bigBlind]])
        const text = handHistory({ hand, players: [button, bigBlind] })
        const again = replay(text)
        expect([again.stacks, again.actions]).toEqual([hand.stacks, hand.actions])
        const read = readHandHistory(text)
        expect(read?.players).toEqual([button, bigBlind])
        expect(handHistory(read!)).toBe(text)
        expect(parse(text)).toMatchObject({ variant: 'NT', finishing_stacks: [hand.stacks[1], hand.stacks[0]], players: [bigBlind, button] })
      }),
      runs(40)
    )
  })

  test('shows hands before the rest of the board after an all-in, the raiser first', () => {
    const deal: Deal = { holes: [[51, 50], [47, 46]], board: [0, 5, 10, 15, 20] }
    let hand = startHand(deal, { small: 1, big: 2 }, [20, 20])
    for (const action of [{ kind: 'raise', to: 20 }, { kind: 'call' }] as const) {
      const result = playAction(hand, action)
      if (result.kind === 'played') hand = result.hand
    }
    expect(handHistory({ hand, players: ['b', 'a'] })).toBe(`variant = "NT"
antes = [0, 0]
blinds_or_straddles = [1, 2]
min_bet = 2
starting_stacks = [20, 20]
actions = [
  "d dh p1 KsKh",
  "d dh p2 AsAh",
  "p2 cbr 20",
  "p1 cc",
  "p2 sm AsAh",
  "p1 sm KsKh",
  "d db 2c3d4h",
  "d db 5s",
  "d db 7c",
]
players = ["a", "b"]
finishing_stacks = [0, 40]
`)
  })

  test('of several hands numbers them', () => {
    const hand = playHand({ blinds: { small: 1, big: 2 }, stack: 100 }, 'x', [PLAYERS.random, PLAYERS.maniac])
    const parsed = parse(handHistories([{ hand, players: ['a', 'b'] }, { hand, players: ['b', 'a'] }], 7))
    expect(Object.keys(parsed)).toEqual(['7', '8'])
    expect(parsed['8']).toMatchObject({ hand: 8, players: ['a', 'b'] })
  })
})
