import { createRng } from '../random/rng.ts'
import type { Environment } from './environment.ts'
import { boxesOnGoals, isSolved, type Board } from './sokoban/board.ts'
import { compactText } from './sokoban/compact-text.ts'
import { isDeadlocked } from './sokoban/deadlock.ts'
import { createGuide, leastPushes, reachableBoxes } from './sokoban/guide.ts'
import { drawLevel, type Level } from './sokoban/level-generator.ts'
import type { SokobanOptions, SokobanVariant } from './sokoban/options.ts'
import { playTurn, type TurnEnd } from './sokoban/play-turn.ts'
import { solve } from './sokoban/solver.ts'
import { formatXsb } from './sokoban/xsb.ts'

/** `stuck`: the level can no longer be solved. */
export type SokobanOutcome = 'playing' | 'solved' | 'stuck' | 'out-of-turns'

export interface SokobanState {
  readonly board: Board
  /** Pushes that the level needs at least, at its start. */
  readonly needed: number
  readonly turns: number
  /** Letters carried out, also those that moved nothing. */
  readonly moves: number
  readonly pushes: number
  readonly outcome: SokobanOutcome
  /** Why its moves ended; absent before the first turn. */
  readonly lastTurn?: TurnEnd
}

/**
 * Sokoban in turns: the policy sees the board and writes moves, `u`, `d`, `l`, `r`, up to a limit. A letter against a wall, or against a box that cannot be
 * pushed, moves nothing and counts as a move; any other character ends the turn there. The level is over when it is solved, when the
 * turns are used up, or when it is plain that it can no longer be solved.
 * Reward: 1 when solved; otherwise, at the end, the partial credit times the share of pushes that are no longer needed (`pushesLeft`), and nothing
 * where the level is lost. Boxes that came closer to goals tell two failures apart where none is on a goal yet.
 */
export function sokoban(name: SokobanVariant, options: SokobanOptions): Environment<Level, SokobanState> {
  const outcomeOf = (board: Board, turns: number): SokobanOutcome => {
    if (isSolved(board)) return 'solved'
    if (isDeadlocked(board)) return 'stuck'
    return turns < options.turns ? 'playing' : 'out-of-turns'
  }
  return {
    name,
    turns: options.turns,
    sample: (seed, split) => {
      const level = drawLevel(options, split, createRng(`sokoban/${seed}`))
      if (level === undefined) throw new Error(`${name}: no ${split} level was found`)
      return level
    },
    start: ({ board }) => ({ board, needed: pushesLeft(board), turns: 0, moves: 0, pushes: 0, outcome: 'playing' }),
    render: ({ board }) => compactText(board),
    step: (state, action) => {
      if (state.outcome !== 'playing') throw new Error('step: the level is over')
      const turn = playTurn(state.board, action, options.movesPerTurn)
      const { board } = turn
      const moves = state.moves + turn.moves.length
      const pushes = state.pushes + turn.moves.filter(({ kind }) => kind === 'push').length
      const turns = state.turns + 1
      const outcome = outcomeOf(board, turns)
      const graded = outcome === 'solved' ? 1 : outcome === 'stuck' ? 0 : options.partialCredit * Math.max(0, 1 - pushesLeft(board) / state.needed)
      return {
        state: { board, needed: state.needed, turns, moves, pushes, outcome, lastTurn: turn.end },
        done: outcome !== 'playing',
        reward: outcome === 'playing' ? 0 : graded,
        info: { success: outcome === 'solved', metrics: { moves, pushes, boxesOnGoals: boxesOnGoals(board) } }
      }
    },
    view: state => `${formatXsb(state.board)}\n${status(state, options)}`,
    demonstrate: ({ board }) => {
      const solution = solve(board)
      return solution.kind === 'solved' ? solution.moves.slice(0, options.movesPerTurn) : ''
    }
  }
}

/** At least; Infinity where a box is lost. */
function pushesLeft(board: Board): number {
  const found = reachableBoxes(board)
  return found === undefined ? Infinity : leastPushes(createGuide(found.maze), found.boxes)
}

const OUTCOMES: Readonly<Record<SokobanOutcome, string>> = {
  playing: '',
  solved: ' · solved ✓',
  stuck: ' · stuck: this can no longer be solved ✗',
  'out-of-turns': ' · out of turns ✗'
}

function status({ board, turns, moves, pushes, outcome, lastTurn }: SokobanState, options: SokobanOptions): string {
  const boxes = board.boxes.length
  const unread = lastTurn === 'no-move' ? ' · the last turn was read up to a character that is no move' : lastTurn === 'limit' ? ` · the last turn was read up to ${options.movesPerTurn} moves` : ''
  return `turn ${turns} of ${options.turns} · moves ${moves} · pushes ${pushes} · on goals ${boxesOnGoals(board)} of ${boxes}${unread}${OUTCOMES[outcome]}`
}
