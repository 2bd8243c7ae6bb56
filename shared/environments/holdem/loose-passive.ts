/**
 * Plays most hands and mostly calls: the beginner whom the warm start imitates. It knows what its cards are worth, calls too
 * much, and raises often enough, and with every size that the actions offer, that learning has something to work with.
 */
import { handStrength, startingPoints } from './hand-strength.ts'
import { allInOrCall, CALL, checkOrFold, raiseOrCall, type Player } from './player.ts'

/** Points and the strength below which it usually gives up, and those from which it likes to raise. */
const PREFLOP = { weak: 2, strong: 10 }
const POSTFLOP = { weak: 0.25, strong: 0.85 }

export const loosePassive: Player = (view, rng) => {
  const preflop = view.street === 'preflop'
  const value = preflop ? startingPoints(view.hole) : handStrength(view.hole, view.board)
  const { weak, strong } = preflop ? PREFLOP : POSTFLOP
  const draw = rng.float()
  if (value < weak) {
    if (draw < 0.1) return raiseOrCall(view, 0.5)
    return draw < 0.5 ? CALL : checkOrFold(view)
  }
  const raises = value >= strong ? 0.4 : 0.15
  if (draw >= raises) return CALL
  if (draw < 0.02) return allInOrCall(view)
  return raiseOrCall(view, rng.below(2) === 0 ? 0.5 : 1)
}
