/** The course of a hand: blinds, four streets of betting, and who gets the pot. */
import type { Card } from './cards.ts'
import type { Deal } from './deck.ts'
import { actionRefusal, type ActionRefusal } from './betting.ts'
import { handRank } from './hand-rank.ts'
import { STREETS, type Action, type Blinds, type HandState, type Outcome } from './hand-state.ts'
import { splitPot } from './pot.ts'
import { BIG_BLIND, BUTTON, otherSeat, withSeat, type Both, type Seat } from './seat.ts'

export type PlayResult = { readonly kind: 'played'; readonly hand: HandState } | { readonly kind: 'refused'; readonly refusal: ActionRefusal }

/**
 * Posts the blinds. A stack that is shorter than its blind is all-in with it, and with both all-in the hand is over at once.
 * @param stacks whole numbers of at least one chip
 * @throws {RangeError} for blinds or stacks that no table has
 */
export function startHand(deal: Deal, blinds: Blinds, stacks: Both<number>): HandState {
  const whole = [...stacks, blinds.small, blinds.big].every(chips => Number.isSafeInteger(chips) && chips >= 1)
  if (!whole || blinds.small > blinds.big) throw new RangeError(`startHand: blinds ${blinds.small}/${blinds.big} with stacks ${stacks.join(' and ')}`)
  const bets: Both<number> = [Math.min(blinds.small, stacks[BUTTON]), Math.min(blinds.big, stacks[BIG_BLIND])]
  return passTurn(
    {
      blinds,
      startingStacks: stacks,
      deal,
      street: 'preflop',
      stacks: [stacks[BUTTON] - bets[BUTTON], stacks[BIG_BLIND] - bets[BIG_BLIND]],
      bets,
      pot: 0,
      fullRaise: blinds.big,
      acted: [false, false],
      actions: []
    },
    BUTTON
  )
}

/** Plays the action of the seat whose turn it is. The hand given stays as it was. */
export function playAction(hand: HandState, action: Action): PlayResult {
  const refusal = actionRefusal(hand, action)
  if (refusal !== undefined) return { kind: 'refused', refusal }
  const seat = hand.toAct!
  const after: HandState = { ...hand, acted: withSeat(hand.acted, seat, true), actions: [...hand.actions, { street: hand.street, seat, action }] }
  switch (action.kind) {
    case 'fold':
      return { kind: 'played', hand: awardTo(collectBets(after), otherSeat(seat)) }
    case 'call':
      return { kind: 'played', hand: passTurn(putIn(after, seat, Math.max(hand.bets[0], hand.bets[1])), otherSeat(seat)) }
    case 'raise': {
      const raisedBy = action.to - hand.bets[otherSeat(seat)]
      // An all-in below a full raise leaves the size of the next one as it was.
      return { kind: 'played', hand: passTurn({ ...putIn(after, seat, action.to), fullRaise: Math.max(hand.fullRaise, raisedBy) }, otherSeat(seat)) }
    }
  }
}

/** Bets up to a total on this street, or all-in. */
function putIn(hand: HandState, seat: Seat, total: number): HandState {
  const bet = Math.min(total, hand.bets[seat] + hand.stacks[seat])
  return { ...hand, bets: withSeat(hand.bets, seat, bet), stacks: withSeat(hand.stacks, seat, hand.stacks[seat] - (bet - hand.bets[seat])) }
}

/** The seat's turn if it has something to decide, else the next street. */
function passTurn(hand: HandState, seat: Seat): HandState {
  const { toAct: _, ...rest } = hand
  return mustAct(hand, seat) ? { ...rest, toAct: seat } : nextStreet(collectBets(rest))
}

function mustAct({ stacks, bets, acted }: HandState, seat: Seat): boolean {
  if (stacks[seat] === 0) return false
  const other = otherSeat(seat)
  return bets[seat] < bets[other] || (!acted[seat] && stacks[other] > 0)
}

/** The unmatched part of a bet goes back to who made it, the rest into the pot. */
function collectBets(hand: HandState): HandState {
  const { toAct: _, ...rest } = hand
  const matched = Math.min(hand.bets[0], hand.bets[1])
  return {
    ...rest,
    stacks: [hand.stacks[0] + hand.bets[0] - matched, hand.stacks[1] + hand.bets[1] - matched],
    bets: [0, 0],
    pot: hand.pot + 2 * matched
  }
}

function nextStreet(hand: HandState): HandState {
  const street = STREETS[STREETS.indexOf(hand.street) + 1]
  if (street === undefined) return showdown(hand)
  const next: HandState = { ...hand, street, fullRaise: hand.blinds.big, acted: [false, false] }
  // With a seat all-in, the rest of the board is dealt without betting.
  return next.stacks[0] === 0 || next.stacks[1] === 0 ? nextStreet(next) : { ...next, toAct: BIG_BLIND }
}

function showdown(hand: HandState): HandState {
  return award(hand, { kind: 'showdown', won: splitPot(hand.pot, [bestRank(hand, BUTTON), bestRank(hand, BIG_BLIND)]) })
}

function awardTo(hand: HandState, winner: Seat): HandState {
  return award(hand, { kind: 'fold', won: withSeat([0, 0], winner, hand.pot) })
}

function award(hand: HandState, outcome: Outcome): HandState {
  return { ...hand, pot: 0, stacks: [hand.stacks[0] + outcome.won[0], hand.stacks[1] + outcome.won[1]], outcome }
}

function bestRank({ deal }: HandState, seat: Seat): number {
  const cards: Card[] = [...deal.holes[seat], ...deal.board]
  return handRank(cards)
}
