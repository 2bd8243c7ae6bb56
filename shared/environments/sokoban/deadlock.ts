/** Positions that can no longer be solved, as far as cheap rules tell. None of them calls a solvable position dead. */
import type { Board } from './board.ts'
import { createGuide, leastPushes, reachableBoxes, type Guide } from './guide.ts'

/**
 * A box is frozen when on either axis it stands against a wall or another frozen box, or has only dead squares to go to. Those boxes
 * hold each other for good; with one of them off its goal the position is lost (Sokoban Wiki, "How to detect deadlocks": freeze
 * deadlocks). Found as what is left when boxes that can move are taken out until none can.
 */
export function frozenOffGoal({ maze: { neighbours }, dead, goal }: Guide, boxes: readonly number[]): boolean {
  const frozen = new Set(boxes)
  const blocks = (square: number): boolean => square === -1 || frozen.has(square)
  const stuck = (box: number, direction: number): boolean => {
    const one = neighbours[4 * box + direction]!
    const other = neighbours[4 * box + direction + 1]!
    return blocks(one) || blocks(other) || (dead[one]! && dead[other]!)
  }
  for (let before = -1; before !== frozen.size; ) {
    before = frozen.size
    for (const box of frozen) if (!stuck(box, 0) || !stuck(box, 2)) frozen.delete(box)
  }
  return [...frozen].some(box => !goal[box])
}

/** @returns true: it cannot be solved; false: it may or may not */
export function isDeadlocked(board: Board): boolean {
  const found = reachableBoxes(board)
  if (found === undefined) return true
  const guide = createGuide(found.maze)
  return leastPushes(guide, found.boxes) === Infinity || frozenOffGoal(guide, found.boxes)
}
