/** A rollout of Sokoban as pictures: one per move. Pure. */
import { boxesOnGoals, GOAL, isSolved, WALL, type Board, type MoveKind } from '#shared/environments/sokoban/board.ts'
import { playTurn } from '#shared/environments/sokoban/play-turn.ts'
import { sokobanMessages as text } from './sokoban-messages.ts'

export interface SokobanFrame {
  readonly board: Board
  /** From 1; 0 before the first turn. */
  readonly turn: number
  /** What happened, for people who do not see the picture. */
  readonly caption: string
}

export interface BoardThing {
  /** Stays with a box through all frames, so that it can be seen to move. */
  readonly key: string
  readonly kind: 'player' | 'box'
  readonly row: number
  readonly column: number
  readonly onGoal: boolean
}

export interface BoardSquare {
  readonly key: number
  readonly kind: 'wall' | 'goal'
  readonly row: number
  readonly column: number
}

/** @param actions the policy's texts, turn by turn; what follows the solution is left out */
export function sokobanFrames(start: Board, actions: readonly string[], movesPerTurn: number): SokobanFrame[] {
  const frames: SokobanFrame[] = [{ board: start, turn: 0, caption: text.start }]
  let board = start
  for (const [index, action] of actions.entries()) {
    if (isSolved(board)) break
    const turn = index + 1
    const played = playTurn(board, action, movesPerTurn)
    for (const [at, { direction, kind, board: after }] of played.moves.entries()) {
      const what = describeMove(kind, text.directions[direction])
      const last = at === played.moves.length - 1
      frames.push({ board: after, turn, caption: last ? `${what} ${text.ends[played.end]}`.trimEnd() : what })
    }
    if (played.moves.length === 0) frames.push({ board, turn, caption: `${text.nothing} ${text.ends[played.end]}`.trimEnd() })
    board = played.board
  }
  return frames
}

function describeMove(kind: MoveKind, direction: string): string {
  const { step, push, blocked } = text
  return kind === 'step' ? step(direction) : kind === 'push' ? push(direction) : blocked(direction)
}

/** `2 of 2 boxes on goals` */
export function progress(board: Board): string {
  return text.progress(boxesOnGoals(board), board.boxes.length)
}

export function boardSquares({ width, ground }: Board): BoardSquare[] {
  return ground.split('').flatMap((character, cell) => {
    if (character !== WALL && character !== GOAL) return []
    return [{ key: cell, kind: character === WALL ? 'wall' : 'goal', row: Math.floor(cell / width), column: cell % width } as const]
  })
}

/** Player and boxes of every frame; a pushed box keeps its key. */
export function boardThings(frames: readonly SokobanFrame[]): BoardThing[][] {
  // Cell of every box, by the order of the first frame.
  let cells = frames[0]?.board.boxes ?? []
  return frames.map(({ board: { width, ground, boxes, player } }) => {
    const arrived = boxes.find(box => !cells.includes(box))
    if (arrived !== undefined) cells = cells.map(cell => (boxes.includes(cell) ? cell : arrived))
    const at = (cell: number) => ({ row: Math.floor(cell / width), column: cell % width, onGoal: ground[cell] === GOAL })
    const things: BoardThing[] = cells.map((cell, index) => ({ key: `box-${index}`, kind: 'box', ...at(cell) }))
    return [...things, { key: 'player', kind: 'player', ...at(player) }]
  })
}
