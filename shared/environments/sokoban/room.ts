/** A small square room as sets of its inner cells, one bit each: the form in which levels are made. */
import { FLOOR, GOAL, WALL, type Board } from './board.ts'

/** Inner cells of the largest room, 7 × 7 with its walls: with the number of a cell, a set of them fits a small integer. */
export const LARGEST_INNER_SIDE = 5

/** A set of inner cells: bit row · innerSide + column. */
export type Cells = number

export interface Room {
  readonly innerSide: number
  readonly floor: Cells
  readonly goals: Cells
}

/** Moves a set of cells one step: up, down, left, right as in DIRECTIONS. What leaves the room is gone. */
export type Shifts = readonly ((cells: Cells) => Cells)[]

export function shiftsOf(innerSide: number): Shifts {
  const all = 2 ** (innerSide * innerSide) - 1
  let leftColumn = 0
  for (let row = 0; row < innerSide; row++) leftColumn |= 1 << (row * innerSide)
  const notLeft = all & ~leftColumn
  const notRight = all & ~(leftColumn << (innerSide - 1))
  return [cells => cells >> innerSide, cells => (cells << innerSide) & all, cells => (cells & notLeft) >> 1, cells => (cells & notRight) << 1]
}

/** @returns the part of `free` that is connected with `cells` */
export function connected(shifts: Shifts, cells: Cells, free: Cells): Cells {
  const [up, down, left, right] = shifts as [Shifts[number], Shifts[number], Shifts[number], Shifts[number]]
  for (;;) {
    const grown = (cells | up(cells) | down(cells) | left(cells) | right(cells)) & free
    if (grown === cells) return cells
    cells = grown
  }
}

/** Numbers of the cells in a set, ascending. */
export function cellNumbers(cells: Cells): number[] {
  const numbers: number[] = []
  for (let rest = cells; rest !== 0; rest &= rest - 1) numbers.push(lowestNumber(rest))
  return numbers
}

/** @param cells not empty */
export function lowestNumber(cells: Cells): number {
  return 31 - Math.clz32(cells & -cells)
}

/** @param player number of an inner cell */
export function boardOf({ innerSide, floor, goals }: Room, boxes: Cells, player: number): Board {
  const width = innerSide + 2
  const outer = (inner: number): number => (Math.floor(inner / innerSide) + 1) * width + (inner % innerSide) + 1
  const ground = WALL.repeat(width * width).split('')
  for (const inner of cellNumbers(floor)) ground[outer(inner)] = FLOOR
  for (const inner of cellNumbers(goals)) ground[outer(inner)] = GOAL
  return { width, ground: ground.join(''), boxes: cellNumbers(boxes).map(outer), player: outer(player) }
}
