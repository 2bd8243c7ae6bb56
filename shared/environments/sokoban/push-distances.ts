import { opposite, type Maze } from './maze.ts'

/**
 * Pushes that a lone box needs from every square to a goal, if the player could always get behind it: a lower bound of what
 * it needs among other boxes. By breadth-first search with pulls from the goal (Junghanns and Schaeffer 2001, "Sokoban:
 * Enhancing general single-agent search methods using domain knowledge", Artificial Intelligence 129, §3).
 * @returns per square; Infinity where the box is lost for this goal
 */
export function pushDistances({ cells, neighbours }: Maze, goal: number): Float64Array {
  const distances = new Float64Array(cells.length).fill(Infinity)
  distances[goal] = 0
  const queue = [goal]
  for (const square of queue) {
    for (let direction = 0; direction < 4; direction++) {
      const from = neighbours[4 * square + opposite(direction)]!
      // The player stands behind the box when the push begins.
      if (from === -1 || neighbours[4 * from + opposite(direction)] === -1 || distances[from] !== Infinity) continue
      distances[from] = distances[square]! + 1
      queue.push(from)
    }
  }
  return distances
}
