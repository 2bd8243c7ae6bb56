import { DIRECTIONS, isSolved, move, type Board, type Direction, type MoveKind } from './board.ts'

/** Most moves that are read from one turn's text: unless options say otherwise, and the most that they may say. */
export const DEFAULT_MOVES_PER_TURN = 8
export const MOST_MOVES_PER_TURN = 100

/** Why no more moves were carried out: the text ended, a character is no move, the limit came, or the level is solved. */
export type TurnEnd = 'text-ended' | 'no-move' | 'limit' | 'solved'

export interface PlayedMove {
  readonly direction: Direction
  readonly kind: MoveKind
  /** After the move. */
  readonly board: Board
}

export interface PlayedTurn {
  readonly moves: readonly PlayedMove[]
  readonly end: TurnEnd
  readonly board: Board
}

/**
 * Carries out the letters of DIRECTIONS at the start of a text. Whatever follows another character, the limit or the solution is
 * not read; a blocked move is a move.
 */
export function playTurn(start: Board, text: string, limit: number): PlayedTurn {
  const moves: PlayedMove[] = []
  let board = start
  for (const character of text) {
    if (isSolved(board)) return { moves, end: 'solved', board }
    if (moves.length === limit) return { moves, end: 'limit', board }
    const direction = DIRECTIONS.find(direction => direction === character)
    if (direction === undefined) return { moves, end: 'no-move', board }
    const moved = move(board, direction)
    moves.push({ direction, ...moved })
    board = moved.board
  }
  return { moves, end: isSolved(board) ? 'solved' : 'text-ended', board }
}
