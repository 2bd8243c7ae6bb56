/** Boards by chance, solvable or not, and a solver that is too simple to be wrong. For tests. */
import * as fc from 'fast-check'
import { DIRECTIONS, FLOOR, GOAL, isSolved, move, WALL, type Board, type Direction } from '../environments/sokoban/board.ts'

/** Boards of 2 × 2 to 4 × 4 cells inside their walls, with walls, boxes, goals and the player anywhere. */
export const anyBoard: fc.Arbitrary<Board> = fc
  .record({ columns: fc.integer({ min: 2, max: 4 }), rows: fc.integer({ min: 2, max: 4 }) })
  .chain(({ columns, rows }) => {
    const inner = Array.from({ length: rows * columns }, (_, index) => (Math.floor(index / columns) + 1) * (columns + 2) + (index % columns) + 1)
    const shuffled = fc.shuffledSubarray(inner, { minLength: inner.length, maxLength: inner.length })
    const most = inner.length > 6 ? 2 : 1
    return fc.record({ things: shuffled, places: shuffled, boxes: fc.integer({ min: 1, max: most }), walls: fc.integer({ min: 0, max: Math.floor(inner.length / 3) }) }).map(({ things, places, boxes, walls }) => {
      const walled = new Set(things.slice(boxes + 1, boxes + 1 + walls))
      const goals = new Set(places.filter(cell => !walled.has(cell)).slice(0, boxes))
      const floor = new Set(inner.filter(cell => !walled.has(cell)))
      const ground = Array.from({ length: (rows + 2) * (columns + 2) }, (_, cell) => (goals.has(cell) ? GOAL : floor.has(cell) ? FLOOR : WALL)).join('')
      return { width: columns + 2, ground, boxes: things.slice(0, boxes).toSorted((a, b) => a - b), player: things[boxes]! }
    })
  })

/** Fewest pushes to a solved board, by trying all moves in the order of pushes. @returns undefined when there is no solution */
export function fewestPushes(board: Board): number | undefined {
  const seen = new Set<string>()
  let now = [board]
  for (let pushes = 0; now.length > 0; pushes++) {
    const next: Board[] = []
    for (const at of now) {
      const key = JSON.stringify([at.boxes, at.player])
      if (seen.has(key)) continue
      seen.add(key)
      if (isSolved(at)) return pushes
      for (const direction of DIRECTIONS) {
        const moved = move(at, direction)
        if (moved.kind === 'step') now.push(moved.board)
        if (moved.kind === 'push') next.push(moved.board)
      }
    }
    now = next
  }
  return undefined
}

/** Carries out letters. */
export function replay(board: Board, letters: string): { readonly board: Board; readonly pushes: number; readonly blocked: number } {
  let at = board
  let pushes = 0
  let blocked = 0
  for (const letter of letters) {
    const moved = move(at, letter as Direction)
    at = moved.board
    if (moved.kind === 'push') pushes++
    if (moved.kind === 'blocked') blocked++
  }
  return { board: at, pushes, blocked }
}
