import type { Board } from './board.ts'
import { frozenOffGoal } from './deadlock.ts'
import { createGuide, leastPushes, reachableBoxes } from './guide.ts'
import { opposite } from './maze.ts'
import { movesOfPushes, type Push } from './moves-of-pushes.ts'
import { createPlayerRegion } from './player-region.ts'
import { createBucketQueue } from './bucket-queue.ts'

/** Positions expanded, of about 0.3 KiB each, before the solver gives up. */
export const DEFAULT_NODE_LIMIT = 100_000

export type Solution =
  /** `moves` are letters of DIRECTIONS; `pushes` is the least number that solves the board. */
  | { readonly kind: 'solved'; readonly moves: string; readonly pushes: number; readonly nodes: number }
  | { readonly kind: 'unsolvable'; readonly nodes: number }
  /** The node limit came first. */
  | { readonly kind: 'unknown'; readonly nodes: number }

interface Node {
  readonly boxes: readonly number[]
  /** Lowest square of the player's region. */
  readonly region: number
  /** Pushes that are needed from here at least. */
  readonly bound: number
  pushes: number
  parent: Node | undefined
  push: Push | undefined
  closed: boolean
}

/**
 * A solution with the fewest pushes, by A* (Hart, Nilsson and Raphael 1968) over positions, which are the boxes' squares and the region
 * that the player can walk in; the bound is the minimum matching one (see `leastPushes`). The walks between pushes are shortest, the number of moves as
 * a whole need not be. The pushes depend on the boxes and the player's region alone: asked again during a walk, the solver walks on to the same push.
 */
export function solve(board: Board, nodeLimit = DEFAULT_NODE_LIMIT): Solution {
  const found = reachableBoxes(board)
  if (found === undefined) return { kind: 'unsolvable', nodes: 0 }
  const { maze, boxes } = found
  const player = maze.squareOf[board.player]!
  const guide = createGuide(maze)
  const parentRegion = createPlayerRegion(maze)
  const childRegion = createPlayerRegion(maze)
  const known = new Map<string, Node>()
  const queue = createBucketQueue<Node>()

  const reach = (boxes: readonly number[], player: number, pushes: number, parent?: Node, push?: Push): void => {
    const region = childRegion.explore(boxes, player)
    const key = String.fromCharCode(region, ...boxes)
    let node = known.get(key)
    if (node === undefined) {
      const bound = frozenOffGoal(guide, boxes) ? Infinity : leastPushes(guide, boxes)
      node = { boxes, region, bound, pushes, parent, push, closed: bound === Infinity }
      known.set(key, node)
    } else if (node.closed || node.pushes <= pushes) return
    else {
      node.pushes = pushes
      node.parent = parent
      node.push = push
    }
    // The bound is consistent, so a position that was expanded had its fewest pushes already.
    if (!node.closed) queue.add(node, pushes + node.bound)
  }

  const expand = (node: Node): void => {
    parentRegion.explore(node.boxes, node.region)
    for (const box of node.boxes) {
      for (let direction = 0; direction < 4; direction++) {
        const to = maze.neighbours[4 * box + direction]!
        const behind = maze.neighbours[4 * box + opposite(direction)]!
        if (to === -1 || behind === -1 || guide.dead[to] || !parentRegion.has(behind) || node.boxes.includes(to)) continue
        const pushed = node.boxes.map(other => (other === box ? to : other)).toSorted((a, b) => a - b)
        reach(pushed, box, node.pushes + 1, node, { box, direction })
      }
    }
  }

  let nodes = 0
  reach(boxes, player, 0)
  for (let node = queue.take(); node !== undefined; node = queue.take()) {
    if (node.closed) continue
    if (node.bound === 0) return { kind: 'solved', moves: movesOfPushes(maze, boxes, player, pushesTo(node)), pushes: node.pushes, nodes }
    if (nodes === nodeLimit) return { kind: 'unknown', nodes }
    nodes++
    node.closed = true
    expand(node)
  }
  return { kind: 'unsolvable', nodes }
}

function pushesTo(node: Node): Push[] {
  const pushes: Push[] = []
  for (let at: Node | undefined = node; at?.push !== undefined; at = at.parent) pushes.push(at.push)
  return pushes.toReversed()
}
