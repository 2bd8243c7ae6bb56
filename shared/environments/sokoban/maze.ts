/** What of a board never moves, as a graph of squares: the form in which positions are searched. */
import { DIRECTIONS, GOAL, neighbour, WALL, type Board } from './board.ts'

/** Squares are the cells that the player could reach if there were no boxes, numbered from 0 in the order of their cells. */
export interface Maze {
  /** Of every square. */
  readonly cells: readonly number[]
  /** Of every cell; -1 where no square is. */
  readonly squareOf: Int16Array
  /** Square next to square s in direction d (as in DIRECTIONS) at 4·s + d; -1 where a wall is. */
  readonly neighbours: Int16Array
  /** Squares, ascending. */
  readonly goals: readonly number[]
}

/** Index in DIRECTIONS of the opposite direction: up and down, left and right are neighbours there. */
export function opposite(direction: number): number {
  return direction ^ 1
}

export function mazeOf(board: Board): Maze {
  const reached = new Set([board.player])
  for (const cell of reached) {
    for (const direction of DIRECTIONS) {
      const next = neighbour(board, cell, direction)
      if (next !== undefined && board.ground[next] !== WALL) reached.add(next)
    }
  }
  const cells = [...reached].toSorted((a, b) => a - b)
  const squareOf = new Int16Array(board.ground.length).fill(-1)
  cells.forEach((cell, square) => (squareOf[cell] = square))
  const neighbours = new Int16Array(4 * cells.length)
  cells.forEach((cell, square) => {
    DIRECTIONS.forEach((direction, index) => {
      const next = neighbour(board, cell, direction)
      neighbours[4 * square + index] = next === undefined ? -1 : squareOf[next]!
    })
  })
  return { cells, squareOf, neighbours, goals: cells.flatMap((cell, square) => (board.ground[cell] === GOAL ? [square] : [])) }
}
