import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyBoard, replay } from '../../testing/sokoban-oracle.ts'
import { DIRECTIONS, isSolved, move, type Board } from './board.ts'
import { formatXsb, parseXsb } from './xsb.ts'

function board(...rows: string[]): Board {
  const parsed = parseXsb(rows.join('\n'))
  if (parsed.kind !== 'ok') throw new Error(parsed.message)
  return parsed.board
}

describe('a move', () => {
  // All that lies in its way: the player's next three cells, and what they become.
  test.each([
    ['@ #', ' @#', 'step'],
    ['@.#', ' +#', 'step'],
    ['+ #', '.@#', 'step'],
    ['@##', '@##', 'blocked'],
    ['@$ ', ' @$', 'push'],
    ['@$.', ' @*', 'push'],
    ['@* ', ' +$', 'push'],
    ['+*.', '.+*', 'push'],
    ['@$#', '@$#', 'blocked'],
    ['@*#', '@*#', 'blocked'],
    ['@$$', '@$$', 'blocked'],
    ['@**', '@**', 'blocked'],
    ['@$*', '@$*', 'blocked']
  ])('to the right in "%s" gives "%s": %s', (before, after, kind) => {
    // As many boxes and goals as it takes to be a board, out of the way.
    const rest = '  ..$$*'
    const row = (cells: string): string[] => ['############', `#${cells}${'#'.repeat(11 - cells.length)}`, `#${rest}####`, '############']
    const counts = (text: string, characters: string): number => text.split('').filter(character => characters.includes(character)).length
    const missing = counts(before, '$*') - counts(before, '.+*')
    const padding = missing > 0 ? '.'.repeat(missing) : '$'.repeat(-missing)
    const from = board(...row(before), `#${padding}${'#'.repeat(11 - padding.length)}`, '############')
    const moved = move(from, 'r')
    expect(moved.kind).toBe(kind)
    expect(formatXsb(moved.board).split('\n')[1]).toBe(`#${after}${'#'.repeat(11 - after.length)}`)
    expect(formatXsb(moved.board).split('\n').toSpliced(1, 1)).toEqual(formatXsb(from).split('\n').toSpliced(1, 1))
  })

  test('never changes walls, goals or the number of boxes; a blocked one changes nothing', () => {
    fc.assert(
      fc.property(anyBoard, fc.array(fc.constantFrom(...DIRECTIONS), { maxLength: 30 }), (start, directions) => {
        let at = start
        for (const direction of directions) {
          const frozen = JSON.stringify(at)
          const moved = move(at, direction)
          expect(JSON.stringify(at)).toBe(frozen)
          expect(moved.board === at).toBe(moved.kind === 'blocked')
          expect(moved.board.player === at.player).toBe(moved.kind === 'blocked')
          expect((moved.kind === 'push') === (moved.board.boxes.join() !== at.boxes.join())).toBe(true)
          at = moved.board
        }
        expect({ width: at.width, ground: at.ground, boxes: at.boxes.length }).toEqual({ width: start.width, ground: start.ground, boxes: start.boxes.length })
        const things = [...at.boxes, at.player]
        expect(new Set(things).size).toBe(things.length)
        expect(things.some(cell => at.ground[cell] === '#')).toBe(false)
      })
    )
  })
})

test('a level is solved when every box is on a goal', () => {
  const start = board('######', '#@$. #', '# $ .#', '######')
  expect(isSolved(start)).toBe(false)
  const half = replay(start, 'r').board
  expect(isSolved(half)).toBe(false)
  expect(isSolved(replay(half, 'ldrr').board)).toBe(true)
})
