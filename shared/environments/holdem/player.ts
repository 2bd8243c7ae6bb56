import type { Rng } from '../../random/rng.ts'
import type { Action } from './hand-state.ts'
import { raiseByPot, type SeatView } from './seat-view.ts'

/** A way of playing, as a pure function: what the seat sees and random numbers fix the action. */
export type Player = (view: SeatView, rng: Rng) => Action

export const FOLD: Action = { kind: 'fold' }
export const CALL: Action = { kind: 'call' }

/** Folds to a bet, checks otherwise. */
export function checkOrFold({ legal }: SeatView): Action {
  return legal.fold ? FOLD : CALL
}

/** Raises by a share of the pot; calls where no raise is allowed. */
export function raiseOrCall(view: SeatView, share: number): Action {
  const to = raiseByPot(view, share)
  return to === undefined ? CALL : { kind: 'raise', to }
}

/** Raises to so many big blinds, or as near as is legal; calls where no raise is allowed. */
export function raiseToBlinds({ bigBlind, legal }: SeatView, blinds: number): Action {
  if (legal.raise === undefined) return CALL
  return { kind: 'raise', to: Math.min(legal.raise.max, Math.max(legal.raise.min, blinds * bigBlind)) }
}

export function allInOrCall({ legal }: SeatView): Action {
  return legal.raise === undefined ? CALL : { kind: 'raise', to: legal.raise.max }
}
