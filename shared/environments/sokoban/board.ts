/** The rules of Sokoban (Thinking Rabbit, 1982) on an immutable board of plain JSON. */

export const WALL = '#'
export const GOAL = '.'
export const FLOOR = ' '

/** In the order in which every search tries them. */
export const DIRECTIONS = ['u', 'd', 'l', 'r'] as const
export type Direction = (typeof DIRECTIONS)[number]

/** Cells are numbered row by row, from 0 at the top left. */
export interface Board {
  readonly width: number
  /** One of `#`, `.` and space per cell: wall, goal, floor. Its length is width · height. */
  readonly ground: string
  /** Cells, ascending; as many as there are goals. */
  readonly boxes: readonly number[]
  readonly player: number
}

/** What a move came to. `blocked`: nothing moved. */
export type MoveKind = 'step' | 'push' | 'blocked'

/** @returns the cell next to `cell`; undefined beyond the edge */
export function neighbour({ width, ground }: Pick<Board, 'width' | 'ground'>, cell: number, direction: Direction): number | undefined {
  const column = cell % width
  switch (direction) {
    case 'u':
      return cell >= width ? cell - width : undefined
    case 'd':
      return cell + width < ground.length ? cell + width : undefined
    case 'l':
      return column > 0 ? cell - 1 : undefined
    case 'r':
      return column < width - 1 ? cell + 1 : undefined
  }
}

/** One move of the player: onto a free cell, or onto a box's cell when the cell behind that box is free. Anything else is blocked. */
export function move(board: Board, direction: Direction): { readonly board: Board; readonly kind: MoveKind } {
  const to = neighbour(board, board.player, direction)
  if (to === undefined || board.ground[to] === WALL) return { board, kind: 'blocked' }
  if (!board.boxes.includes(to)) return { board: { ...board, player: to }, kind: 'step' }
  const behind = neighbour(board, to, direction)
  if (behind === undefined || board.ground[behind] === WALL || board.boxes.includes(behind)) return { board, kind: 'blocked' }
  const boxes = board.boxes.map(box => (box === to ? behind : box)).toSorted((a, b) => a - b)
  return { board: { ...board, boxes, player: to }, kind: 'push' }
}

export function boxesOnGoals({ ground, boxes }: Board): number {
  return boxes.filter(box => ground[box] === GOAL).length
}

export function isSolved(board: Board): boolean {
  return boxesOnGoals(board) === board.boxes.length
}
