import type { Action } from '#shared/environments/holdem/hand-state.ts'
import { isLegal } from '#shared/environments/holdem/betting.ts'
import { readAction } from '#shared/environments/holdem/action-text.ts'
import { checkOrFold } from '#shared/environments/holdem/player.ts'
import type { SeatView } from '#shared/environments/holdem/seat-view.ts'

export interface OpponentDecision {
  /** Number of the hand in this match: one that remembers what it was shown keeps hands apart by it. */
  readonly hand: number
  readonly view: SeatView
}

/** A way of playing that isn't computed from what a seat sees alone: it takes time, and may remember a hand's earlier decisions. One sits through one match. */
export interface AskedOpponent {
  /** @returns a legal action for each decision, in their order */
  decide(decisions: readonly OpponentDecision[]): Promise<readonly Action[]>
}

/** What becomes of a text: the action that it names, or of one that names nothing legal a check, or a fold where there is a bet. */
export function actionSaid(text: string, view: SeatView): Action {
  const read = readAction(text, view)
  return read.kind === 'action' && isLegal(read.action, view.legal) ? read.action : checkOrFold(view)
}
