import { DIRECTIONS } from './board.ts'
import { opposite, type Maze } from './maze.ts'

export interface Push {
  /** Square of the box before the push. */
  readonly box: number
  /** Index in DIRECTIONS. */
  readonly direction: number
}

/**
 * The moves that carry out pushes: a shortest walk behind each box, then the push.
 * @returns letters of DIRECTIONS
 * @throws {Error} when the player cannot get behind a box
 */
export function movesOfPushes(maze: Maze, boxes: readonly number[], player: number, pushes: readonly Push[]): string {
  const occupied = new Set(boxes)
  let at = player
  let moves = ''
  for (const { box, direction } of pushes) {
    moves += walk(maze, occupied, at, maze.neighbours[4 * box + opposite(direction)]!) + DIRECTIONS[direction]!
    occupied.delete(box)
    occupied.add(maze.neighbours[4 * box + direction]!)
    at = box
  }
  return moves
}

/** Breadth first from the end, so that the letters are read off from the start. */
function walk({ neighbours }: Maze, occupied: ReadonlySet<number>, from: number, to: number): string {
  const onwards = new Map([[to, -1]])
  for (const [square] of onwards) {
    if (square === from) return lettersFrom(from)
    for (let direction = 0; direction < 4; direction++) {
      const before = neighbours[4 * square + opposite(direction)]!
      if (before !== -1 && !occupied.has(before) && !onwards.has(before)) onwards.set(before, direction)
    }
  }
  throw new Error(`no walk from square ${from} to square ${to}`)

  function lettersFrom(square: number): string {
    const direction = onwards.get(square)!
    return direction === -1 ? '' : DIRECTIONS[direction]! + lettersFrom(neighbours[4 * square + direction]!)
  }
}
