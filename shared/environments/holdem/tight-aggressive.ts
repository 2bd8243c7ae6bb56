/**
 * Plays its better hands and plays them by betting. Its rules, in full:
 *
 * Before the flop, by the points of startingPoints (5 or more: 43 % of all hands; 10 or more: 4 %):
 * - unraised: with 5 or more on the button, 6 or more on the big blind, raise to 3 big blinds; else fold, or check where that is free;
 * - raised once: with 10 or more, raise the pot; with 5 or more, call up to 8 big blinds; else fold;
 * - raised more often: with 12 or more, go all-in; with 9 or more, call up to a quarter of the stack; else fold.
 *
 * After it, by handStrength s:
 * - no bet to call: with s ≥ 0.7 bet two thirds of the pot; on the flop, as the last to have raised before, bet half the pot with
 *   s ≥ 0.4, and with less than that one time in three; else check;
 * - a bet to call: with s ≥ 0.93 raise the pot, up to two raises a street, then call; call with s ≥ 0.5 plus half of the share that
 *   the call would make of the pot after it (0.67 against a bet of the pot); else fold.
 */
import type { Rng } from '../../random/rng.ts'
import type { Action } from './hand-state.ts'
import { handStrength, startingPoints } from './hand-strength.ts'
import { allInOrCall, CALL, checkOrFold, raiseOrCall, raiseToBlinds, type Player } from './player.ts'
import { BUTTON } from './seat.ts'
import { lastAggressor, raisesOnStreet, type SeatView } from './seat-view.ts'

export const tightAggressive: Player = (view, rng) => (view.street === 'preflop' ? beforeFlop(view) : afterFlop(view, rng))

function beforeFlop(view: SeatView): Action {
  const points = startingPoints(view.hole)
  const { call } = view.legal
  switch (raisesOnStreet(view)) {
    case 0:
      return points >= (view.seat === BUTTON ? 5 : 6) ? raiseToBlinds(view, 3) : checkOrFold(view)
    case 1:
      if (points >= 10) return raiseOrCall(view, 1)
      return points >= 5 && call <= 8 * view.bigBlind ? CALL : checkOrFold(view)
    default:
      if (points >= 12) return allInOrCall(view)
      return points >= 9 && call <= view.stack / 4 ? CALL : checkOrFold(view)
  }
}

function afterFlop(view: SeatView, rng: Rng): Action {
  const strength = handStrength(view.hole, view.board)
  const { call } = view.legal
  if (call === 0) {
    if (strength >= 0.7) return raiseOrCall(view, 2 / 3)
    const continues = view.street === 'flop' && lastAggressor(view) === view.seat && (strength >= 0.4 || rng.below(3) === 0)
    return continues ? raiseOrCall(view, 1 / 2) : CALL
  }
  if (strength >= 0.93) return raisesOnStreet(view) < 2 ? raiseOrCall(view, 1) : CALL
  return strength >= 0.5 + call / (2 * (view.pot + call)) ? CALL : checkOrFold(view)
}
