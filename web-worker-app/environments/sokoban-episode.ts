/** A rollout of Sokoban from its texts: the board before every turn stands in its prompt. Pure. */
import type { Board } from '#shared/environments/sokoban/board.ts'
import { compactText, readCompactText } from '#shared/environments/sokoban/compact-text.ts'
import { MOST_MOVES_PER_TURN, playTurn } from '#shared/environments/sokoban/play-turn.ts'
import type { ShownEpisode } from '../session/shown-episode.ts'

export interface SokobanEpisode {
  readonly start: Board
  readonly actions: readonly string[]
  readonly movesPerTurn: number
}

/** @returns undefined where a prompt is no board, or a board does not follow from the one before, whatever number of moves is read in a turn */
export function sokobanEpisode({ turns }: ShownEpisode): SokobanEpisode | undefined {
  const start = readCompactText(turns[0]!.prompt)
  if (start === undefined) return undefined
  const actions = turns.map(({ completion }) => completion)
  const longest = Math.min(MOST_MOVES_PER_TURN, Math.max(1, ...actions.map(({ length }) => length)))
  // Limits that differ only in what no turn has reached show the same: the largest will do.
  for (let movesPerTurn = longest; movesPerTurn > 0; movesPerTurn--) {
    if (follows(start, turns, movesPerTurn)) return { start, actions, movesPerTurn }
  }
  return undefined
}

function follows(start: Board, turns: ShownEpisode['turns'], movesPerTurn: number): boolean {
  let board = start
  return turns.every(({ prompt, completion }) => {
    if (compactText(board) !== prompt) return false
    board = playTurn(board, completion, movesPerTurn).board
    return true
  })
}
