import { connected, lowestNumber, shiftsOf, type Cells, type Room } from './room.ts'

/** Boxes, and where the player can walk among them. */
export interface SolvablePosition {
  readonly boxes: Cells
  readonly region: Cells
  /** Fewest pushes to a solved position. */
  readonly pushes: number
}

/** Cells have numbers below 32. */
const CELL_NUMBERS = 32

/**
 * Every position of a room from which it can be solved, by fewest pushes ascending: breadth first from all solved positions, with pulls,
 * which are pushes backwards.
 */
export function solvablePositions({ innerSide, floor, goals }: Room): SolvablePosition[] {
  const shifts = shiftsOf(innerSide)
  const positions: SolvablePosition[] = []
  const known = new Set<number>()

  const add = (boxes: Cells, region: Cells, pushes: number): void => {
    const key = boxes * CELL_NUMBERS + lowestNumber(region)
    if (known.has(key)) return
    known.add(key)
    positions.push({ boxes, region, pushes })
  }

  let free = floor & ~goals
  while (free !== 0) {
    const region = connected(shifts, free & -free, free)
    add(goals, region, 0)
    free &= ~region
  }
  for (const { boxes, region, pushes } of positions) {
    for (const shift of shifts) {
      // The player pulls from the cell beside the box and needs the cell beyond to step back to.
      for (let rest = boxes; rest !== 0; rest &= rest - 1) {
        const box = rest & -rest
        const beside = shift(box) & region
        const beyond = shift(beside) & region
        if (beyond === 0) continue
        const pulled = (boxes & ~box) | beside
        add(pulled, connected(shifts, beyond, floor & ~pulled), pushes + 1)
      }
    }
  }
  return positions
}
