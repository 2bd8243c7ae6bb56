import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyBoard } from '../../testing/sokoban-oracle.ts'
import { formatXsb, MAX_SIDE, MAX_XSB_LENGTH, parseXsb, XSB_PROBLEMS } from './xsb.ts'

test('what is written reads back as the same board', () => {
  fc.assert(
    fc.property(anyBoard, board => {
      expect(parseXsb(formatXsb(board))).toEqual({ kind: 'ok', board })
    })
  )
})

test('reads every character, ragged rows, comments, blank lines around and all line ends', () => {
  const board = parseXsb('; a level\r\n\r\n  #####\r\n###   #\r\n#+$-_*#\r\n#######\r\n\r\n; its author')
  expect(board).toEqual({ kind: 'ok', board: { width: 7, ground: '  ########   ##.   .########', boxes: [16, 19], player: 15 } })
  expect(board.kind === 'ok' && formatXsb(board.board)).toBe('  #####\n###   #\n#+$  *#\n#######')
})

test('keeps rows that have nothing inside', () => {
  const parsed = parseXsb('####\n#*@#\n####\n-\n####')
  expect(parsed.kind === 'ok' && formatXsb(parsed.board)).toBe('####\n#*@#\n####\n-\n####')
})

/** Problem, line, column, text, and words of the sentence. */
const BROKEN: readonly (readonly [string, number, number, string, string])[] = [
  ['empty', 1, 1, '', 'no board'],
  ['empty', 1, 1, '\n; nothing\n  \n', 'no board'],
  ['too-large', 2, MAX_SIDE + 1, `####\n${'#'.repeat(MAX_SIDE + 1)}`, 'more than 64 cells'],
  ['too-large', MAX_SIDE + 2, 1, `\n${'#\n'.repeat(MAX_SIDE + 1)}`, 'more than 64 rows'],
  ['too-large', 1, 1, ';'.repeat(MAX_XSB_LENGTH + 1), 'more than 8448 characters'],
  ['unknown-character', 3, 4, '\n#####\n#@$x#\n#####', '"x" means nothing'],
  ['unknown-character', 2, 2, '#####\n#😀$.#\n#####', '"😀" means nothing'],
  ['unknown-character', 2, 1, '#####\n\t@$.#\n#####', '"\\t" means nothing'],
  ['no-player', 2, 1, ';\n####\n#$.#\n####', 'no player'],
  ['two-players', 2, 5, '######\n#@$.+#\n######', 'player 2 of 2'],
  ['no-boxes', 1, 1, '####\n#@ #\n####', 'no boxes'],
  ['boxes-and-goals-differ', 2, 5, '######\n#@$.$#\n######', '2 boxes and 1 goal:'],
  ['boxes-and-goals-differ', 2, 6, '#######\n#@$. .#\n#######', '1 box and 2 goals:'],
  ['open-border', 2, 5, '#####\n#@$.\n#####', 'close the border'],
  ['open-border', 4, 2, ';\n#####\n#@$.#\n# ###', 'close the border']
]

describe('a broken level', () => {
  test.each(BROKEN)('%s at line %d, column %d', (problem, line, column, text, words) => {
    const parsed = parseXsb(text)
    expect(parsed).toMatchObject({ kind: 'malformed', problem, line, column })
    if (parsed.kind !== 'malformed') return
    expect(parsed.message).toContain(words)
    expect(parsed.message).toMatch(/^line \d+, column \d+: [^\n]+$/)
  })

  test('the list above has every problem', () => {
    expect(new Set(BROKEN.map(([problem]) => problem))).toEqual(new Set(XSB_PROBLEMS))
  })

  test('any text is a board or malformed', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('#', '@', '$', '.', '*', '+', ' ', '-', '\n', ';', 'x'), maxLength: 40 }), text => {
        const parsed = parseXsb(text)
        const again = parsed.kind === 'ok' ? parseXsb(formatXsb(parsed.board)) : parsed
        expect(again).toEqual(parsed)
        expect(parsed.kind === 'ok' || XSB_PROBLEMS.includes(parsed.problem)).toBe(true)
      })
    )
  })
})
