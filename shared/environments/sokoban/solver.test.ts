import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../testing/property-runs.ts'
import { anyBoard, fewestPushes, replay } from '../../testing/sokoban-oracle.ts'
import { assignmentCost } from './assignment.ts'
import { isSolved } from './board.ts'
import { isDeadlocked } from './deadlock.ts'
import { solve } from './solver.ts'
import { parseXsb } from './xsb.ts'

function board(text: string) {
  const parsed = parseXsb(text)
  if (parsed.kind !== 'ok') throw new Error(parsed.message)
  return parsed.board
}

describe('the solver', () => {
  test('finds a solution with the fewest pushes exactly when there is one, and it replays', () => {
    let solvable = 0
    fc.assert(
      fc.property(anyBoard, start => {
        const least = fewestPushes(start)
        const solution = solve(start)
        expect(solution.kind).toBe(least === undefined ? 'unsolvable' : 'solved')
        if (solution.kind !== 'solved') return
        solvable++
        const end = replay(start, solution.moves)
        expect(isSolved(end.board)).toBe(true)
        expect(solution.pushes).toBe(least)
        expect({ pushes: end.pushes, blocked: end.blocked }).toEqual({ pushes: least, blocked: 0 })
      }),
      runs(400)
    )
    expect(solvable).toBeGreaterThan(70)
  })

  test('asked again during a walk, walks on to the same push', () => {
    fc.assert(
      fc.property(anyBoard, start => {
        const first = solve(start)
        fc.pre(first.kind === 'solved' && first.moves.length > 1 && replay(start, first.moves[0]!).pushes === 0)
        if (first.kind !== 'solved') return
        expect(solve(replay(start, first.moves[0]!).board)).toMatchObject({ moves: first.moves.slice(1), pushes: first.pushes })
      })
    )
  })

  test.each([
    ['the same boxes with the player on the other side are another position', 6, '########\n#  #   #\n#.@$   #\n#  #   #\n########'],
    ['a position is first reached by a detour', 6, '#######\n#    .#\n# $$  #\n#  ## #\n#  .  #\n#  #@ #\n#######'],
    ['a position is first reached by a detour', 7, '#######\n#  #  #\n#@$.  #\n#     #\n##$#.##\n#     #\n#######']
  ])('finds the fewest pushes where %s: %d', (_what, pushes, text) => {
    expect(fewestPushes(board(text))).toBe(pushes)
    expect(solve(board(text))).toMatchObject({ kind: 'solved', pushes })
  })

  test('solves a larger level with the fewest pushes, or says that it does not know', () => {
    const start = board('##########\n#   #    #\n# $ # .. #\n#  $     #\n# $ #  . #\n# @ #    #\n##########')
    const solution = solve(start)
    // As many as trying all moves finds: 194,929 positions, too many for a unit test.
    expect(solution).toMatchObject({ kind: 'solved', pushes: 18 })
    expect(isSolved(replay(start, solution.kind === 'solved' ? solution.moves : '').board)).toBe(true)
    expect(solve(start, 5)).toEqual({ kind: 'unknown', nodes: 5 })
  })

  test('a board that is solved needs nothing; boxes out of reach must be on goals', () => {
    expect(solve(board('####\n#@*#\n####'))).toEqual({ kind: 'solved', moves: '', pushes: 0, nodes: 0 })
    expect(solve(board('#######\n#@$.#*#\n#######'))).toMatchObject({ kind: 'solved', moves: 'r' })
    expect(solve(board('########\n#@$.#$.#\n########'))).toEqual({ kind: 'unsolvable', nodes: 0 })
  })
})

describe('a deadlock', () => {
  test.each([
    ['a corner', '#####\n#$  #\n# @.#\n#####'],
    ['along a wall without a goal', '######\n# $  #\n#    #\n#  .@#\n######'],
    ['two boxes side by side at a wall', '######\n#  . #\n#  . #\n#@   #\n# $$ #\n######'],
    ['a square of four boxes', '########\n#      #\n# $$.  #\n# $$.  #\n# @ .. #\n#      #\n########'],
    ['two boxes for the goal of one wall', '#######\n#.@$ $#\n#   . #\n#     #\n#######'],
    ['a goal that nobody reaches', '#######\n#@$ #.#\n#######']
  ])('is seen: %s', (_name, text) => {
    expect(isDeadlocked(board(text))).toBe(true)
  })

  test.each([
    ['two boxes side by side at a wall, on goals', '######\n#    #\n#@ $ #\n#.** #\n######'],
    ['two boxes that touch and can part', '######\n#@   #\n# $$ #\n# .. #\n######']
  ])('is not seen where there is none: %s', (_name, text) => {
    expect(isDeadlocked(board(text))).toBe(false)
  })

  test('is never seen in a position that can be solved', () => {
    let dead = 0
    fc.assert(
      fc.property(anyBoard, start => {
        if (!isDeadlocked(start)) return
        dead++
        expect(fewestPushes(start)).toBe(undefined)
      }),
      runs(400)
    )
    expect(dead).toBeGreaterThan(70)
  })
})

test('the cheapest assignment is what trying all of them gives', () => {
  const cost = fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 0, max: 9 }) }, { weight: 1, arbitrary: fc.constant(Infinity) })
  const square = fc.integer({ min: 1, max: 5 }).chain(n => fc.array(fc.array(cost, { minLength: n, maxLength: n }), { minLength: n, maxLength: n }))
  const cheapest = (costs: readonly (readonly number[])[], taken: readonly number[] = []): number => {
    if (taken.length === costs.length) return 0
    const columns = [...costs.keys()].filter(column => !taken.includes(column))
    return Math.min(...columns.map(column => costs[taken.length]![column]! + cheapest(costs, [...taken, column])))
  }
  fc.assert(
    fc.property(square, costs => {
      expect(assignmentCost(costs)).toBe(cheapest(costs))
    }),
    runs(300)
  )
})
