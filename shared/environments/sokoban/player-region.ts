import type { Maze } from './maze.ts'

/** Where the player can walk while no box moves. One object is reused for many positions of a maze: a search asks for millions. */
export interface PlayerRegion {
  /** @returns the lowest square of the region around `player`, which names the region among all regions of the position */
  explore(boxes: readonly number[], player: number): number
  /** Of what was explored last. */
  has(square: number): boolean
}

export function createPlayerRegion({ cells, neighbours }: Maze): PlayerRegion {
  const seen = new Uint32Array(cells.length)
  const boxAt = new Uint32Array(cells.length)
  const queue = new Int16Array(cells.length)
  // Marks of earlier explorations are lower, so nothing is ever cleared.
  let mark = 0
  return {
    explore: (boxes, player) => {
      mark++
      for (const box of boxes) boxAt[box] = mark
      seen[player] = mark
      queue[0] = player
      let lowest = player
      for (let head = 0, tail = 1; head < tail; head++) {
        const square = queue[head]!
        if (square < lowest) lowest = square
        for (let direction = 0; direction < 4; direction++) {
          const next = neighbours[4 * square + direction]!
          if (next === -1 || seen[next] === mark || boxAt[next] === mark) continue
          seen[next] = mark
          queue[tail++] = next
        }
      }
      return lowest
    },
    has: square => seen[square] === mark
  }
}
