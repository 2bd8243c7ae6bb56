/** What guides a search through the positions of a maze: how far boxes are from goals, and where they are lost. */
import { assignmentCost } from './assignment.ts'
import { GOAL, type Board } from './board.ts'
import { mazeOf, type Maze } from './maze.ts'
import { pushDistances } from './push-distances.ts'

export interface Guide {
  readonly maze: Maze
  /** By goal, then square. */
  readonly distances: readonly Float64Array[]
  /** Per square: a box there can reach no goal at all. */
  readonly dead: readonly boolean[]
  /** Per square: it is a goal. */
  readonly goal: readonly boolean[]
}

export function createGuide(maze: Maze): Guide {
  const distances = maze.goals.map(goal => pushDistances(maze, goal))
  const squares = [...maze.cells.keys()]
  return {
    maze,
    distances,
    dead: squares.map(square => distances.every(fromGoal => fromGoal[square] === Infinity)),
    goal: squares.map(square => maze.goals.includes(square))
  }
}

/**
 * Pushes that are needed at least: the cheapest way to give every box a goal of its own. Admissible and consistent, since one push
 * changes one box's distances by at most one (Junghanns and Schaeffer 2001, §3, the minimum matching lower bound).
 * @returns Infinity: some boxes have no goals left
 */
export function leastPushes({ distances }: Guide, boxes: readonly number[]): number {
  return assignmentCost(boxes.map(box => distances.map(fromGoal => fromGoal[box]!)))
}

/** @returns the maze of a board and its boxes' squares, ascending; undefined when a box off its goal, or a goal without a box, is out of the player's reach */
export function reachableBoxes(board: Board): { readonly maze: Maze; readonly boxes: readonly number[] } | undefined {
  const maze = mazeOf(board)
  const boxes = board.boxes.map(cell => maze.squareOf[cell]!).filter(square => square !== -1)
  if (board.boxes.some(cell => maze.squareOf[cell] === -1 && board.ground[cell] !== GOAL)) return undefined
  return boxes.length === maze.goals.length ? { maze, boxes } : undefined
}
