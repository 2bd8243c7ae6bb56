/**
 * What no-limit betting allows (TDA rules 2024, "Raise requirements"; Robert's Rules of Poker, version 11, "No-limit and
 * pot-limit"), for two players.
 */
import type { Action, HandState } from './hand-state.ts'
import { otherSeat, type Seat } from './seat.ts'

export const ACTION_REFUSALS = ['hand-over', 'nothing-to-fold-to', 'opponent-all-in', 'call-takes-all', 'not-whole', 'below-minimum', 'above-stack'] as const
export type ActionRefusalCode = (typeof ACTION_REFUSALS)[number]

/** An expected "no". */
export interface ActionRefusal {
  readonly code: ActionRefusalCode
  /** One sentence for a person. */
  readonly message: string
}

export interface LegalActions {
  /** There is a bet to fold to. */
  readonly fold: boolean
  /** Chips that a call costs; 0 for a check. */
  readonly call: number
  /** Bounds of what a bet or raise may be made to; absent when none is allowed. Every whole number between is legal. */
  readonly raise?: { readonly min: number; readonly max: number }
}

/** Of the seat whose turn it is. @throws {Error} when the hand is over */
export function legalActions(hand: HandState): LegalActions {
  if (hand.toAct === undefined) throw new Error('legalActions: the hand is over')
  return legalActionsOf(hand, hand.toAct)
}

function legalActionsOf({ stacks, bets, fullRaise }: HandState, seat: Seat): LegalActions {
  const other = otherSeat(seat)
  const owed = Math.max(0, bets[other] - bets[seat])
  const base = { fold: owed > 0, call: Math.min(owed, stacks[seat]) }
  if (stacks[other] === 0 || stacks[seat] <= owed) return base
  const max = bets[seat] + stacks[seat]
  // A stack too short for a full raise may still go all-in; to bet is to raise from 0.
  return { ...base, raise: { min: Math.min(bets[other] + fullRaise, max), max } }
}

/** Of the seat that these are for; {@link actionRefusal} says why not. */
export function isLegal(action: Action, { fold, raise }: LegalActions): boolean {
  switch (action.kind) {
    case 'call':
      return true
    case 'fold':
      return fold
    case 'raise':
      return raise !== undefined && Number.isSafeInteger(action.to) && action.to >= raise.min && action.to <= raise.max
  }
}

/** @returns why the action is against the rules, or undefined when it's legal */
export function actionRefusal(hand: HandState, action: Action): ActionRefusal | undefined {
  if (hand.toAct === undefined) return { code: 'hand-over', message: 'The hand is over.' }
  const legal = legalActions(hand)
  if (action.kind === 'call') return undefined
  if (action.kind === 'fold') return legal.fold ? undefined : { code: 'nothing-to-fold-to', message: 'There is no bet to fold to; a check is free.' }
  if (!Number.isSafeInteger(action.to)) return { code: 'not-whole', message: `A raise is to a whole number of chips, not ${action.to}.` }
  if (legal.raise === undefined) {
    return hand.stacks[otherSeat(hand.toAct)] === 0
      ? { code: 'opponent-all-in', message: 'The other player is all-in; only a call or a fold is left.' }
      : { code: 'call-takes-all', message: 'A call takes the whole stack; nothing is left to raise with.' }
  }
  const { min, max } = legal.raise
  if (action.to < min) return { code: 'below-minimum', message: `A raise to ${action.to} is below the minimum, ${min}.` }
  if (action.to > max) return { code: 'above-stack', message: `A raise to ${action.to} is more than the stack allows, ${max}.` }
  return undefined
}
