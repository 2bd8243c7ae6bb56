import type { Rng } from '../../random/rng.ts'
import { allInOrCall, CALL, FOLD, raiseOrCall, type Player } from './player.ts'
import type { SeatView } from './seat-view.ts'

/** Chooses among the kinds of legal actions with equal chances; a raise is to any legal amount, each as likely as the next. */
export const randomPlayer: Player = ({ legal }, rng) => {
  const kinds = [CALL, ...(legal.fold ? [FOLD] : []), ...(legal.raise === undefined ? [] : ['raise' as const])]
  const chosen = kinds[rng.below(kinds.length)]!
  if (chosen !== 'raise') return chosen
  const { min, max } = legal.raise!
  return { kind: 'raise', to: min + rng.below(max - min + 1) }
}

/** Never raises and never folds. */
export const callingStation: Player = () => CALL

/** Looks at no card: raises the pot six times in ten, goes all-in once in twenty, else calls. */
export const maniac: Player = (view: SeatView, rng: Rng) => {
  const draw = rng.float()
  if (draw < 0.05) return allInOrCall(view)
  return draw < 0.65 ? raiseOrCall(view, 1) : CALL
}
