import type { Action } from './hand-state.ts'
import { CALL, FOLD } from './player.ts'
import { raiseByPot, type SeatView } from './seat-view.ts'

/** What each letter stands for, as people and prompts are told. */
export const ACTION_LETTERS = {
  f: 'fold',
  c: 'check or call',
  m: 'the least raise',
  h: 'raise half the pot',
  p: 'raise the pot',
  a: 'all-in'
} as const

export type ReadAction = { readonly kind: 'action'; readonly action: Action } | { readonly kind: 'unreadable'; readonly message: string }

const RAISE_TO = /^r(\d{1,9})$/

/**
 * Reads a player's text: one of the letters above, or `r12` for a bet or raise to 12 chips in all on this street. Sizes by
 * letter are bounded by what is legal. `a` is a call where that takes the whole stack or the other is all-in.
 *
 * @returns an action that may still be against the rules, where a raise is read but none is allowed
 */
export function readAction(text: string, view: SeatView): ReadAction {
  const word = text.trim()
  const raise = view.legal.raise
  const raiseTo = (to: number): ReadAction => ({ kind: 'action', action: { kind: 'raise', to } })
  switch (word) {
    case 'f':
      return { kind: 'action', action: FOLD }
    case 'c':
      return { kind: 'action', action: CALL }
    case 'm':
      return raiseTo(raise?.min ?? 0)
    case 'h':
      return raiseTo(raiseByPot(view, 1 / 2) ?? 0)
    case 'p':
      return raiseTo(raiseByPot(view, 1) ?? 0)
    case 'a':
      return raise === undefined ? { kind: 'action', action: CALL } : raiseTo(raise.max)
    default: {
      const to = RAISE_TO.exec(word)?.[1]
      return to === undefined ? { kind: 'unreadable', message: `"${word.slice(0, 20)}" is no action; use ${Object.keys(ACTION_LETTERS).join(', ')} or r and a number.` } : raiseTo(Number(to))
    }
  }
}

/** The shortest text that {@link readAction} reads as this legal action. */
export function writeAction(action: Action, view: SeatView): string {
  if (action.kind !== 'raise') return action.kind === 'fold' ? 'f' : 'c'
  const { to } = action
  if (to === view.legal.raise?.max) return 'a'
  if (to === raiseByPot(view, 1 / 2)) return 'h'
  if (to === raiseByPot(view, 1)) return 'p'
  return to === view.legal.raise?.min ? 'm' : `r${to}`
}
