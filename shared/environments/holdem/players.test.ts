import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRng } from '../../random/rng.ts'
import { runs } from '../../testing/property-runs.ts'
import { readAction, writeAction } from './action-text.ts'
import { parseCards } from './cards.ts'
import type { HoleCards } from './deck.ts'
import { handStrength, startingPoints } from './hand-strength.ts'
import { startHand, playAction } from './hand.ts'
import { duplicateMatch, namedDeal, playHand } from './match.ts'
import { computedOpponent, playOpponent, recordedOpponent } from './opponent.ts'
import { checkOrFold, raiseOrCall, raiseToBlinds, type Player } from './player.ts'
import { PLAYERS, PLAYER_NAMES, type PlayerName } from './players.ts'
import { promptText } from './prompt.ts'
import { raisesOnStreet, seatView } from './seat-view.ts'
import { winRate } from './win-rate.ts'

const TABLE = { blinds: { small: 1, big: 2 }, stack: 200 }
const name = fc.constantFrom(...PLAYER_NAMES)
const hole = (text: string): HoleCards => parseCards(text) as unknown as HoleCards

describe('players', () => {
  test('never act against the rules and play the same hand from the same seed', () => {
    fc.assert(
      fc.property(fc.nat(), name, name, fc.integer({ min: 1, max: 400 }), (seed, first, second, stack) => {
        const play = () => playHand({ ...TABLE, stack }, String(seed), [PLAYERS[first], PLAYERS[second]])
        const hand = play()
        expect(hand.outcome).toBeDefined()
        expect(play()).toEqual(hand)
      }),
      runs(40)
    )
  })

  test('see nothing of the other cards: these can be exchanged without changing an action', () => {
    fc.assert(
      fc.property(fc.nat(), name, (seed, first) => {
        const deal = namedDeal(String(seed))
        const others = namedDeal(`other ${seed}`).holes[1].filter(card => ![...deal.holes[0], ...deal.board].includes(card))
        fc.pre(others.length === 2)
        const act = (holeOfOther: HoleCards) => {
          const hand = startHand({ ...deal, holes: [deal.holes[0], holeOfOther] }, TABLE.blinds, [200, 200])
          return [PLAYERS[first](seatView(hand), createRng(seed)), promptText(seatView(hand))]
        }
        expect(act(others as unknown as HoleCards)).toEqual(act(deal.holes[1]))
      })
    )
  })

  test.each(['random', 'calling-station'] as const)('tight-aggressive beats %s, with the whole interval above zero', other => {
    const { mean, margin } = winRate(duplicateMatch(TABLE, PLAYERS['tight-aggressive'], PLAYERS[other], 250, 'test'))
    expect(mean - margin).toBeGreaterThan(0)
  })

  test('the beginner whom the warm start imitates loses more than a big blind a hand against it', () => {
    const { mean, margin } = winRate(duplicateMatch(TABLE, PLAYERS['loose-passive'], PLAYERS['tight-aggressive'], 250, 'test'))
    expect(mean + margin).toBeLessThan(-1)
  })

  test('tight-aggressive can be beaten without a look at the cards, by small raises that give up against any bet', () => {
    const raiser: Player = view => {
      if (view.street === 'preflop') return raisesOnStreet(view) === 0 ? raiseToBlinds(view, 2) : checkOrFold(view)
      return view.legal.call === 0 ? raiseOrCall(view, 1 / 2) : checkOrFold(view)
    }
    const { mean, margin } = winRate(duplicateMatch(TABLE, raiser, PLAYERS['tight-aggressive'], 250, 'test'))
    expect(mean - margin).toBeGreaterThan(0)
  })

  test('can be replaced by a record of their actions; the hand waits where the record ends', () => {
    const opponent = computedOpponent(PLAYERS.random, 'deal')
    let hand = startHand(namedDeal('deal'), TABLE.blinds, [200, 200])
    const stations: PlayerName = 'calling-station'
    while (hand.toAct !== undefined) hand = playOpponent(playOpponent(hand, 0, opponent), 1, computedOpponent(PLAYERS[stations], 'deal'))
    const record = hand.actions.filter(({ seat }) => seat === 0).map(({ action }) => action)
    const again = (actions: typeof record) => {
      let replayed = startHand(namedDeal('deal'), TABLE.blinds, [200, 200])
      for (;;) {
        const next = playOpponent(playOpponent(replayed, 0, recordedOpponent(actions)), 1, computedOpponent(PLAYERS[stations], 'deal'))
        if (next === replayed) return next
        replayed = next
      }
    }
    expect(again(record)).toEqual(hand)
    expect(again(record.slice(0, -1))).toMatchObject({ toAct: 0, actions: hand.actions.slice(0, hand.actions.findLastIndex(({ seat }) => seat === 0)) })
  })
})

describe('action texts', () => {
  test('are read back as the action that was written, at every decision of real hands', () => {
    fc.assert(
      fc.property(fc.nat(), name, name, (seed, first, second) => {
        let hand = startHand(namedDeal(String(seed)), TABLE.blinds, [200, 200])
        for (const { action } of playHand(TABLE, String(seed), [PLAYERS[first], PLAYERS[second]]).actions) {
          const view = seatView(hand)
          expect(readAction(writeAction(action, view), view)).toEqual({ kind: 'action', action })
          const played = playAction(hand, action)
          if (played.kind === 'played') hand = played.hand
        }
      }),
      runs(40)
    )
  })

  test.each([
    ['f', { kind: 'fold' }],
    ['c', { kind: 'call' }],
    ['m', { kind: 'raise', to: 4 }],
    // A call makes the pot 4: half of it and all of it on top of 2.
    ['h', { kind: 'raise', to: 4 }],
    ['p', { kind: 'raise', to: 6 }],
    ['a', { kind: 'raise', to: 200 }],
    ['r17', { kind: 'raise', to: 17 }],
    [' p\n', { kind: 'raise', to: 6 }]
  ])('on the button, %j is %j', (text, action) => {
    expect(readAction(text, seatView(startHand(namedDeal('x'), TABLE.blinds, [200, 200])))).toEqual({ kind: 'action', action })
  })

  test.each(['', 'x', 'ff', 'r', 'r-4', 'r4.5', 'r9999999999', 'raise to 6'])('"%s" is no action', text => {
    expect(readAction(text, seatView(startHand(namedDeal('x'), TABLE.blinds, [200, 200]))).kind).toBe('unreadable')
  })
})

describe('what cards are worth', () => {
  test.each([
    ['AsAd', 20],
    ['AsKs', 12],
    ['TsTd', 10],
    ['JdTd', 9],
    ['5s5d', 5],
    ['5d7d', 6],
    ['2s7d', -1]
  ])('%s has %d points', (cards, points) => {
    expect(startingPoints(hole(cards))).toBe(points)
  })

  test('strength is the share of holdings that are beaten', () => {
    expect(handStrength(hole('AsKs'), parseCards('QsJsTs')!)).toBe(1)
    // Everybody plays the board.
    expect(handStrength(hole('2c3d'), parseCards('AsKsQsJsTs')!)).toBe(0.5)
    // Billings et al. give 0.585 for this hand, from 444 ahead, 9 tied and 628 behind of 1,081 holdings.
    expect(handStrength(hole('AdQc'), parseCards('3h4cJh')!)).toBeCloseTo((628 + 9 / 2) / 1081, 12)
  })
})
