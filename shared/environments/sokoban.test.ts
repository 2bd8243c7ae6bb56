import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import type { Environment } from './environment.ts'
import { EnvironmentError, environmentNamed } from './environments.ts'
import type { SokobanState } from './sokoban.ts'
import type { Level } from './sokoban/level-generator.ts'
import { SOKOBAN_VARIANTS } from './sokoban/options.ts'
import { parseXsb } from './sokoban/xsb.ts'

const split = fc.constantFrom('train' as const, 'held-out' as const)

function sokobanNamed(name: string, options = {}): Environment<Level, SokobanState> {
  return environmentNamed(name, options) as Environment<Level, SokobanState>
}

function level(...rows: string[]): Level {
  const parsed = parseXsb(rows.join('\n'))
  if (parsed.kind !== 'ok') throw new Error(parsed.message)
  return { board: parsed.board, pushes: 1 }
}

describe.each(SOKOBAN_VARIANTS)('%s', name => {
  const environment = sokobanNamed(name)

  test('is pure: the same seed and split give the same level, as plain JSON', () => {
    fc.assert(
      fc.property(fc.string(), split, (seed, split) => {
        const task = environment.sample(seed, split)
        expect(environment.sample(seed, split)).toEqual(task)
        expect(JSON.parse(JSON.stringify(task))).toEqual(task)
      }),
      runs(40)
    )
  })

  test('demonstrations solve every level in its turns, with the fewest pushes and a reward of 1', () => {
    fc.assert(
      fc.property(fc.nat(), split, (seed, split) => {
        const task = environment.sample(seed, split)
        let state = environment.start(task)
        const rewards: number[] = []
        let result = environment.step(state, environment.demonstrate!(state))
        for (; !result.done; result = environment.step(state, environment.demonstrate!(state))) {
          rewards.push(result.reward)
          state = result.state
        }
        expect(rewards.filter(reward => reward !== 0)).toEqual([])
        const metrics = { moves: result.state.moves, pushes: task.pushes, boxesOnGoals: task.board.boxes.length }
        expect(result).toMatchObject({ reward: 1, info: { success: true, metrics } })
      }),
      runs(60)
    )
  })

  test('any text is an action; an episode ends in its turns, and its rewards sum to at most 1, to 1 when solved only', () => {
    const text = fc.oneof(fc.string({ unit: fc.constantFrom('u', 'd', 'l', 'r'), maxLength: 12 }), fc.string({ maxLength: 12 }))
    fc.assert(
      fc.property(fc.nat(), fc.array(text, { minLength: 8, maxLength: 8 }), (seed, actions) => {
        let state = environment.start(environment.sample(seed, 'train'))
        const rewards: number[] = []
        let success = false
        for (const action of actions) {
          expect(environment.render(state)).toMatch(/^[#@$.*+/-]{11,19}=$/)
          const result = environment.step(state, action)
          expect(JSON.parse(JSON.stringify(result.state))).toEqual(result.state)
          state = result.state
          success = result.info.success
          rewards.push(result.reward)
          if (result.done) break
        }
        expect(rewards.slice(0, -1).filter(reward => reward !== 0)).toEqual([])
        expect(rewards.at(-1)).toBeGreaterThanOrEqual(0)
        expect(rewards.at(-1)).toBeLessThanOrEqual(success ? 1 : 0.2)
        expect(success).toBe(rewards.at(-1) === 1)
        expect(() => environment.step(state, 'u')).toThrow('the level is over')
      }),
      runs(40)
    )
  })
})

describe('a turn', () => {
  const environment = sokobanNamed('sokoban-2', { turns: 3, movesPerTurn: 4 })
  const task = level('#######', '#@    #', '# $ $ #', '# . . #', '#######')

  test.each([
    ['moves are carried out in order', 'rd', 2, 1, 'text-ended'],
    ['a letter against a wall moves nothing and counts', 'ulr', 3, 0, 'text-ended'],
    ['reading stops at a character that is no move', 'rxd', 1, 0, 'no-move'],
    ['capitals are no moves', 'Rd', 0, 0, 'no-move'],
    ['moves beyond the limit are not read', 'rlrlrl', 4, 0, 'limit'],
    ['nothing is a turn, too', '', 0, 0, 'text-ended']
  ])('%s', (_name, action, moves, pushes, lastTurn) => {
    const { state, done } = environment.step(environment.start(task), action)
    expect(state).toMatchObject({ turns: 1, moves, pushes, lastTurn, outcome: 'playing' })
    expect(done).toBe(false)
  })

  test('the policy reads the inside of the board, and then what became of it', () => {
    const start = environment.start(task)
    expect(environment.render(start)).toBe('@----/-$-$-/-.-.-=')
    expect(environment.render(environment.step(start, 'rd').state)).toBe('-----/-@-$-/-*-.-=')
  })

  test('solving ends the level in the middle of a turn', () => {
    const half = environment.step(environment.start(task), 'rdur').state
    const end = environment.step(half, 'rdlr')
    expect(end).toMatchObject({ done: true, reward: 1, info: { success: true, metrics: { moves: 6, pushes: 2, boxesOnGoals: 2 } } })
    expect(environment.view(end.state)).toBe('#######\n#     #\n#   @ #\n# * * #\n#######\nturn 2 of 3 · moves 6 · pushes 2 · on goals 2 of 2 · solved ✓')
  })

  test('a box that came closer is worth a part, one that went away is not', () => {
    const far = level('#######', '#     #', '#@ $ .#', '#     #', '#######')
    const once = sokobanNamed('sokoban-1', { turns: 1 })
    expect(['', 'rr', 'urrrdl', 'rrr'].map(action => once.step(once.start(far), action).reward)).toEqual([0, 0.1, 0, 1])
  })

  test('boxes on goals are worth a part when the turns are used up', () => {
    let result = environment.step(environment.start(task), 'rd')
    for (let turn = 1; turn < 3; turn++) {
      expect(result.reward).toBe(0)
      result = environment.step(result.state, 'x')
    }
    expect(result).toMatchObject({ done: true, reward: 0.1, info: { success: false, metrics: { moves: 2, pushes: 1, boxesOnGoals: 1 } } })
    expect(environment.view(result.state)).toContain('· the last turn was read up to a character that is no move · out of turns ✗')
  })

  test('a level that can no longer be solved is over', () => {
    const corner = level('#####', '#  .#', '#@$ #', '#####')
    const result = environment.step(environment.start(corner), 'r')
    expect(result).toMatchObject({ done: true, reward: 0, info: { success: false } })
    expect(environment.view(result.state)).toContain('stuck')
    expect(environment.demonstrate!(result.state)).toBe('')
  })
})

describe('options', () => {
  test.each([
    [{ side: 8 }, 'environment "sokoban-1": option side must be <=7'],
    [{ walls: 1 }, 'environment "sokoban-1": option walls is unknown'],
    [{ side: 4, boxes: 2, innerWalls: 0 }, 'environment "sokoban-1": the options must be ones that leave room inside for boxes, goals and player: fewer innerWalls or boxes, or a larger side'],
    [{ minPushes: 3, maxPushes: 2 }, 'environment "sokoban-1": the options must be ones with minPushes up to maxPushes'],
    [{ minPushes: 60 }, 'environment "sokoban-1": the options must be ones that levels have: with these, no level was found; lower minPushes, or raise maxPushes or side']
  ])('%j are refused in one line', (options, line) => {
    expect(() => environmentNamed('sokoban-1', options)).toThrow(new EnvironmentError(line))
  })
})
