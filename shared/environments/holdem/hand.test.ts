import { describe, expect, test } from 'vitest'
import { parseCards } from './cards.ts'
import { legalActions } from './betting.ts'
import type { Deal, HoleCards } from './deck.ts'
import { netChips, type Action, type HandState } from './hand-state.ts'
import { playAction, startHand } from './hand.ts'
import type { Both } from './seat.ts'

const BLINDS = { small: 1, big: 2 }

function deal(button: string, bigBlind: string, board: string): Deal {
  return { holes: [parseCards(button) as unknown as HoleCards, parseCards(bigBlind) as unknown as HoleCards], board: parseCards(board) as unknown as Deal['board'] }
}

const ACES_AGAINST_KINGS = deal('AsAd', 'KsKd', '2c7h9dJs3c')

/** Actions written `f`, `c` and a number for a raise to it. */
function play(stacks: Both<number>, actions: string, cards = ACES_AGAINST_KINGS): HandState {
  let hand = startHand(cards, BLINDS, stacks)
  for (const text of actions.split(' ').filter(Boolean)) {
    const action: Action = text === 'f' ? { kind: 'fold' } : text === 'c' ? { kind: 'call' } : { kind: 'raise', to: Number(text) }
    const result = playAction(hand, action)
    if (result.kind === 'refused') throw new Error(`${text}: ${result.refusal.code}`)
    hand = result.hand
  }
  return hand
}

describe('blinds', () => {
  test('the button posts the small one and may fold it', () => {
    expect(play([200, 200], '').toAct).toBe(0)
    expect(play([200, 200], 'f').stacks).toEqual([199, 201])
  })

  test('the big blind may raise a button that only called', () => {
    const hand = play([200, 200], 'c')
    expect([hand.toAct, hand.street]).toEqual([1, 'preflop'])
    expect(legalActions(hand)).toEqual({ fold: false, call: 0, raise: { min: 4, max: 200 } })
  })

  test('a stack too short for its blind is all-in, and its unmatched part goes back', () => {
    expect(play([200, 1], '').stacks).toEqual([201, 0])
    expect(play([1, 200], '').stacks).toEqual([2, 199])
    // The button still owes a chip to a big blind that is all-in with both.
    expect(play([200, 2], '').toAct).toBe(0)
    expect(legalActions(play([200, 2], ''))).toEqual({ fold: true, call: 1 })
  })
})

describe('raises', () => {
  test('add at least the last full raise', () => {
    expect(legalActions(play([200, 200], '')).raise).toEqual({ min: 4, max: 200 })
    expect(legalActions(play([200, 200], '7')).raise).toEqual({ min: 12, max: 200 })
    expect(legalActions(play([200, 200], '7 20')).raise).toEqual({ min: 33, max: 200 })
  })

  test('begin again with the big blind on the next street', () => {
    expect(legalActions(play([200, 200], '7 20 c')).raise).toEqual({ min: 2, max: 180 })
  })

  test('to less than the minimum are allowed all-in only, and then are not answered with another', () => {
    const hand = play([200, 30], '20')
    expect(legalActions(hand).raise).toEqual({ min: 30, max: 30 })
    expect(legalActions(play([200, 30], '20 30'))).toEqual({ fold: true, call: 10 })
  })

  test.each([
    ['', { kind: 'raise', to: 3 }, 'below-minimum'],
    ['', { kind: 'raise', to: 201 }, 'above-stack'],
    ['', { kind: 'raise', to: 4.5 }, 'not-whole'],
    ['c', { kind: 'fold' }, 'nothing-to-fold-to'],
    ['200', { kind: 'raise', to: 200 }, 'opponent-all-in'],
    ['f', { kind: 'call' }, 'hand-over']
  ] as const)('after "%s" refuses %j: %s', (actions, action, code) => {
    expect(playAction(play([200, 200], actions), action)).toMatchObject({ kind: 'refused', refusal: { code } })
  })

  test('are refused where a call takes everything', () => {
    expect(playAction(play([200, 20], '50'), { kind: 'raise', to: 20 })).toMatchObject({ kind: 'refused', refusal: { code: 'call-takes-all' } })
  })
})

describe('the end', () => {
  test('returns what the shorter stack could not match, and runs out the board', () => {
    const hand = play([200, 50], '200 c')
    expect(hand.outcome).toEqual({ kind: 'showdown', won: [100, 0] })
    expect([hand.street, ...hand.stacks]).toEqual(['river', 250, 0])
  })

  test('is a showdown after the last check', () => {
    const hand = play([200, 200], 'c c c c c c c c')
    expect([netChips(hand, 0), netChips(hand, 1)]).toEqual([2, -2])
  })

  test('splits the pot when the board plays', () => {
    const hand = play([200, 200], '10 c c c c c c c', deal('2s3d', '4h5d', 'AcKcQcJcTc'))
    expect(hand.stacks).toEqual([200, 200])
    expect(hand.outcome?.won).toEqual([10, 10])
  })

  test('by a fold leaves the bet that was not called to who made it', () => {
    expect(play([200, 200], '6 c c 100 f').outcome).toEqual({ kind: 'fold', won: [12, 0] })
  })
})
