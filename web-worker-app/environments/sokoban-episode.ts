/** A rollout of Sokoban from its texts: the board before every turn stands in its prompt. Pure. */
import { isSolved, type Board } from '#shared/environments/sokoban/board.ts'
import { compactText, readCompactText } from '#shared/environments/sokoban/compact-text.ts'
import { DEFAULT_MOVES_PER_TURN, MOST_MOVES_PER_TURN, playTurn } from '#shared/environments/sokoban/play-turn.ts'
import { wasSolved, type ShownEpisode } from '../session/shown-episode.ts'

export interface SokobanEpisode {
  readonly start: Board
  readonly actions: readonly string[]
  readonly movesPerTurn: number
}

/** @returns undefined where a prompt is no board, or the boards and the outcome do not follow from the moves, whatever number of them is read in a turn */
export function sokobanEpisode(episode: ShownEpisode): SokobanEpisode | undefined {
  const start = readCompactText(episode.turns[0]!.prompt)
  if (start === undefined) return undefined
  const actions = episode.turns.map(({ completion }) => completion)
  const longest = Math.min(MOST_MOVES_PER_TURN, Math.max(1, ...actions.map(({ length }) => length)))
  // A page does not know the run's options. Limits that no turn has reached show the same.
  const limits = [DEFAULT_MOVES_PER_TURN, ...Array.from({ length: longest }, (_, fewer) => longest - fewer)]
  const movesPerTurn = limits.find(limit => follows(start, episode, limit))
  return movesPerTurn === undefined ? undefined : { start, actions, movesPerTurn }
}

function follows(start: Board, episode: ShownEpisode, movesPerTurn: number): boolean {
  let board = start
  for (const { prompt, completion } of episode.turns) {
    if (compactText(board) !== prompt) return false
    board = playTurn(board, completion, movesPerTurn).board
  }
  return isSolved(board) === (wasSolved(episode) ?? isSolved(board))
}
