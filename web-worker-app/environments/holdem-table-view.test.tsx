import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { parseCards } from '#shared/environments/holdem/cards.ts'
import type { Deal } from '#shared/environments/holdem/deck.ts'
import type { Action, HandState } from '#shared/environments/holdem/hand-state.ts'
import { playAction, startHand } from '#shared/environments/holdem/hand.ts'
import { HoldemTable } from './holdem-table.tsx'
import { holdemTableView } from './holdem-table-view.ts'

const NAMES = { policy: 'Policy', opponent: 'Opponent' }
const DEAL = { holes: [parseCards('AsAd'), parseCards('KhKd')], board: parseCards('2c7h9dJs3c') } as unknown as Deal

function played(...actions: readonly Action[]): HandState {
  let hand = startHand(DEAL, { small: 1, big: 2 }, [100, 100])
  for (const action of actions) {
    const result = playAction(hand, action)
    if (result.kind === 'refused') throw new Error(result.refusal.message)
    hand = result.hand
  }
  return hand
}

const call: Action = { kind: 'call' }

test('tells a hand street by street, with the pot after each', () => {
  const view = holdemTableView(played({ kind: 'raise', to: 6 }, call, { kind: 'raise', to: 8 }, { kind: 'fold' }), 1, NAMES)
  expect(view.streets.map(({ name, board, actions, pot }) => [name, board.map(({ text }) => text).join(' '), actions.map(({ who, what }) => `${who} ${what}`.trim()).join(', '), pot])).toEqual([
    ['preflop', '', 'blinds 1 and 2, Opponent raises to 6, Policy calls 4', 12],
    ['flop', '2♣ 7♥ 9♦', 'Policy bets 8, Opponent folds', 12]
  ])
  expect(view.result).toBe('Policy wins 6 chips (3 big blinds)')
})

test('shows the other cards at a showdown, and not before', () => {
  expect(holdemTableView(played({ kind: 'raise', to: 100 }), 0, NAMES).players[1].cards).toBeUndefined()
  const view = holdemTableView(played({ kind: 'raise', to: 100 }, call), 0, NAMES)
  expect(view.players[1].cards?.map(({ name }) => name)).toEqual(['king of hearts', 'king of diamonds'])
  expect(view.result).toBe('Policy wins 100 chips (50 big blinds): pair against pair')
})

test('is drawn with every card named for people who listen', () => {
  const markup = renderToStaticMarkup(<HoldemTable view={holdemTableView(played({ kind: 'raise', to: 100 }, call), 0, NAMES)} />)
  for (const name of ['ace of spades', 'king of hearts', 'two of clubs', 'jack of spades']) expect(markup).toContain(name)
  expect(markup).toContain('Policy raises to 100, all-in, Opponent calls 98, all-in')
})
