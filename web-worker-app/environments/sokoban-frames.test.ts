import { describe, expect, test } from 'vitest'
import { environmentNamed } from '#shared/environments/environments.ts'
import type { Environment } from '#shared/environments/environment.ts'
import type { SokobanState } from '#shared/environments/sokoban.ts'
import type { Level } from '#shared/environments/sokoban/level-generator.ts'
import { formatXsb, parseXsb } from '#shared/environments/sokoban/xsb.ts'
import { boardSquares, boardThings, progress, sokobanFrames } from './sokoban-frames.ts'

const parsed = parseXsb('######\n#@$. #\n# $ .#\n######')
if (parsed.kind !== 'ok') throw new Error(parsed.message)
const start = parsed.board

describe('the frames of a rollout', () => {
  test('are the level, then one per move, with what happened', () => {
    const frames = sokobanFrames(start, ['ul', 'rx', '', 'rrrr'], 3)
    expect(frames.map(({ turn, caption }) => [turn, caption])).toEqual([
      [0, 'The level as it was given.'],
      [1, 'Something is in the way up.'],
      [1, 'Something is in the way left.'],
      [2, 'A push right. Then came a character that is no move.'],
      [3, 'No move.'],
      [4, 'A push right.'],
      [4, 'Something is in the way right.'],
      [4, 'Something is in the way right. Further moves were not read.']
    ])
    expect(frames.map(({ board }) => progress(board)).slice(2, 6)).toEqual(['0 of 2 boxes on goals', '1 of 2 boxes on goals', '1 of 2 boxes on goals', '0 of 2 boxes on goals'])
  })

  test('end where the environment ends, with the solution', () => {
    const environment = environmentNamed('sokoban-2') as Environment<Level, SokobanState>
    const task = environment.sample(5, 'held-out')
    const actions: string[] = []
    let state = environment.start(task)
    for (let done = false; !done; ) {
      actions.push(environment.demonstrate!(state))
      const stepped = environment.step(state, actions.at(-1)!)
      state = stepped.state
      done = stepped.done
    }
    const frames = sokobanFrames(task.board, [...actions, 'udlr'], 8)
    expect(frames).toHaveLength(state.moves + 1)
    expect(formatXsb(frames.at(-1)!.board)).toBe(formatXsb(state.board))
    expect(frames.at(-1)!.caption).toMatch(/^A push .*\. Solved\.$/)
  })
})

test('a box keeps its key while it is pushed past another', () => {
  const level = parseXsb('#####\n# @ #\n# $ #\n#$ .#\n#  .#\n#####')
  if (level.kind !== 'ok') throw new Error(level.message)
  const frames = sokobanFrames(level.board, ['uddrdl'], 8)
  const things = boardThings(frames).map(shown => shown.map(({ key, row, column }) => `${key} ${row} ${column}`))
  expect(things).toEqual([
    ['box-0 2 2', 'box-1 3 1', 'player 1 2'],
    ['box-0 2 2', 'box-1 3 1', 'player 1 2'],
    ['box-0 3 2', 'box-1 3 1', 'player 2 2'],
    ['box-0 4 2', 'box-1 3 1', 'player 3 2'],
    ['box-0 4 2', 'box-1 3 1', 'player 3 3'],
    ['box-0 4 2', 'box-1 3 1', 'player 4 3'],
    ['box-0 4 1', 'box-1 3 1', 'player 4 2']
  ])
})

test('walls and goals have their places', () => {
  const squares = boardSquares(start)
  expect(squares.filter(({ kind }) => kind === 'goal').map(({ row, column }) => [row, column])).toEqual([
    [1, 3],
    [2, 4]
  ])
  expect(squares.filter(({ kind }) => kind === 'wall')).toHaveLength(16)
})
