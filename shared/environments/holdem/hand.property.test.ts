import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRng, type Rng } from '../../random/rng.ts'
import { runs } from '../../testing/property-runs.ts'
import { actionRefusal, legalActions } from './betting.ts'
import { dealFrom, shuffledDeck } from './deck.ts'
import { playAction, startHand } from './hand.ts'
import { handRank } from './hand-rank.ts'
import { netChips, type Action, type HandState } from './hand-state.ts'
import { splitPot } from './pot.ts'
import { otherSeat, type Both, type Seat } from './seat.ts'

const stack = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 13, max: 300 }))
const table = fc.record({
  seed: fc.nat(),
  stacks: fc.tuple(stack, stack),
  blinds: fc.constantFrom({ small: 1, big: 2 }, { small: 2, big: 5 }, { small: 1, big: 1 })
})
type Table = typeof table extends fc.Arbitrary<infer T> ? T : never

const start = ({ seed, stacks, blinds }: Table): HandState => startHand(dealFrom(shuffledDeck(createRng(seed))), blinds, stacks)

/** Every state of one hand of drawn actions. */
function play(table: Table): HandState[] {
  const states = [start(table)]
  const rng = createRng(`${table.seed}/actions`)
  while (states.at(-1)!.outcome === undefined) {
    if (states.length > 1_000) throw new Error('the betting does not end')
    const result = playAction(states.at(-1)!, drawnAction(states.at(-1)!, rng))
    if (result.kind === 'refused') throw new Error(result.refusal.message)
    states.push(result.hand)
  }
  return states
}

function drawnAction(hand: HandState, rng: Rng): Action {
  const { fold, raise } = legalActions(hand)
  const kind = rng.below(8)
  if (kind === 0 && fold) return { kind: 'fold' }
  // Mostly small raises, so that hands with many of them occur; at times the very least and all-in.
  if (kind >= 4 && raise !== undefined) return { kind: 'raise', to: kind === 7 && rng.below(3) === 0 ? raise.max : raise.min + Math.floor(rng.float() ** 4 * (raise.max - raise.min)) }
  return { kind: 'call' }
}

const sum = ([first, second]: Both<number>): number => first + second

/**
 * The rules of raising, told from the record of the hand alone: who has bet what on this street, and the largest step so far.
 * Independent of the counters that the machine keeps.
 */
function raiseIsLegal(hand: HandState, to: number): boolean {
  const seat = hand.toAct!
  const other = otherSeat(seat)
  const before: [number, number] = [0, 0]
  let level = 0
  let step = hand.blinds.big
  if (hand.street === 'preflop') {
    before[0] = Math.min(hand.blinds.small, hand.startingStacks[0])
    before[1] = Math.min(hand.blinds.big, hand.startingStacks[1])
    level = before[1]
  }
  for (const { street, action } of hand.actions) {
    if (street !== hand.street || action.kind !== 'raise') continue
    step = Math.max(step, action.to - level)
    level = action.to
  }
  const total = hand.stacks[seat] + hand.bets[seat]
  const otherHasChips = hand.stacks[other] > 0
  return Number.isInteger(to) && otherHasChips && to > level && to <= total && (to >= level + step || to === total)
}

describe('a hand', () => {
  test('conserves chips in every state, and both stacks stay whole and not negative', () => {
    fc.assert(
      fc.property(table, table => {
        const states = play(table)
        expect(states.map(({ stacks, bets, pot }) => sum(stacks) + sum(bets) + pot)).toEqual(states.map(() => sum(table.stacks)))
        const chips = states.flatMap(({ stacks, bets, pot }) => [...stacks, ...bets, pot])
        expect(chips.filter(count => !Number.isInteger(count) || count < 0)).toEqual([])
      }),
      runs(150)
    )
  })

  test('ends with an empty table, and nobody loses more than the other could match', () => {
    fc.assert(
      fc.property(table, table => {
        const last = play(table).at(-1)!
        expect([last.pot, ...last.bets, last.toAct]).toEqual([0, 0, 0, undefined])
        expect(netChips(last, 0) + netChips(last, 1)).toBe(0)
        expect(Math.abs(netChips(last, 0))).toBeLessThanOrEqual(Math.min(...table.stacks))
        expect(actionRefusal(last, { kind: 'call' })?.code).toBe('hand-over')
      }),
      runs(150)
    )
  })

  test('gives the pot to who did not fold, or to the better hand, or half to each', () => {
    fc.assert(
      fc.property(table, table => {
        const last = play(table).at(-1)!
        const { holes, board } = last.deal
        const final = last.actions.at(-1)
        const folded = final?.action.kind === 'fold' ? final.seat : undefined
        const better = Math.sign(handRank([...holes[0], ...board]) - handRank([...holes[1], ...board]))
        const favours = folded === undefined ? better : folded === 0 ? -1 : 1
        expect(last.outcome!.kind).toBe(folded === undefined ? 'showdown' : 'fold')
        expect(Math.sign(netChips(last, 0))).toBe(favours)
        expect(last.outcome!.won.filter(chips => chips > 0)).toHaveLength(favours === 0 ? 2 : 1)
      }),
      runs(150)
    )
  })

  test('accepts exactly the actions that the rules allow, with a code for each that they do not', () => {
    fc.assert(
      fc.property(table, fc.nat(), (table, pick) => {
        const states = play(table).filter(({ outcome }) => outcome === undefined)
        const hand = states[pick % Math.max(1, states.length)]
        if (hand === undefined) return
        const seat = hand.toAct!
        const facing = hand.bets[otherSeat(seat)] > hand.bets[seat]
        expect(playAction(hand, { kind: 'call' }).kind).toBe('played')
        expect(playAction(hand, { kind: 'fold' }).kind).toBe(facing ? 'played' : 'refused')
        const amounts = [...Array.from({ length: 330 }, (_, to) => to - 5), 2.5, Number.NaN, Number.POSITIVE_INFINITY]
        expect(amounts.filter(to => playAction(hand, { kind: 'raise', to }).kind === 'played')).toEqual(amounts.filter(to => raiseIsLegal(hand, to)))
      }),
      runs(60)
    )
  })

  test('asks the button first before the flop, the big blind first after it, and each in turn', () => {
    fc.assert(
      fc.property(table, table => {
        const { actions } = play(table).at(-1)!
        const expected = actions.map(({ street }, index): Seat => {
          const previous = actions[index - 1]
          return previous?.street === street ? otherSeat(previous.seat) : street === 'preflop' ? 0 : 1
        })
        expect(actions.map(({ seat }) => seat)).toEqual(expected)
      }),
      runs(150)
    )
  })
})

describe('the deck', () => {
  test('is a permutation of 52 cards, the same for the same seed', () => {
    fc.assert(
      fc.property(fc.string(), seed => {
        const deck = shuffledDeck(createRng(seed))
        expect(deck.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 52 }, (_, card) => card))
        expect(shuffledDeck(createRng(seed))).toEqual(deck)
        const { holes, board } = dealFrom(deck)
        expect(new Set([...holes[0], ...holes[1], ...board]).size).toBe(9)
      })
    )
  })
})

describe('a pot', () => {
  test('that is split gives its odd chip to the big blind, who is out of position', () => {
    expect(splitPot(7, [5, 5])).toEqual([3, 4])
    expect(splitPot(8, [5, 5])).toEqual([4, 4])
    expect(splitPot(7, [6, 5])).toEqual([7, 0])
  })
})
