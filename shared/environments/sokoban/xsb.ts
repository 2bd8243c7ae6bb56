/**
 * The XSB text form of a level, one character per cell: `#` wall, `@` player, `+` player on a goal, `$` box, `*` box on a
 * goal, `.` goal; space, `-` and `_` are floor (Sokoban Wiki, "Level format", sokobano.de/wiki).
 */
import { FLOOR, GOAL, neighbour, DIRECTIONS, WALL, type Board } from './board.ts'

/** Longest side of a board. */
export const MAX_SIDE = 64

/** Longest text: a board of the largest size between as much again of comments. */
export const MAX_XSB_LENGTH = 2 * MAX_SIDE * (MAX_SIDE + 2)

export const XSB_PROBLEMS = ['empty', 'too-large', 'unknown-character', 'no-player', 'two-players', 'no-boxes', 'boxes-and-goals-differ', 'open-border'] as const
export type XsbProblem = (typeof XSB_PROBLEMS)[number]

export interface XsbError {
  readonly kind: 'malformed'
  readonly problem: XsbProblem
  /** From 1, in the text as given; a problem of the whole board is told at the board's first character. */
  readonly line: number
  readonly column: number
  /** What is wrong, where, and what to do. */
  readonly message: string
}

export type ParsedXsb = { readonly kind: 'ok'; readonly board: Board } | XsbError

interface Line {
  readonly number: number
  readonly text: string
}

const FLOORS = ' -_'
const PLAYERS = '@+'
const BOXES = '$*'
const GOALS = '.+*'
const KNOWN = `${WALL}${FLOORS}@+$*.`

/** Reads one level. Blank lines around it and lines that start with `;` are comments. Never throws. */
export function parseXsb(text: string): ParsedXsb {
  if (text.length > MAX_XSB_LENGTH) return malformed('too-large', 1, 1, `the text has more than ${MAX_XSB_LENGTH} characters: give one level of at most ${MAX_SIDE} × ${MAX_SIDE} cells`)
  const lines = boardLines(text)
  const first = lines[0]
  if (first === undefined) return malformed('empty', 1, 1, 'there is no board: draw it with the characters # @ $ . and spaces')
  const width = Math.max(...lines.map(line => line.text.length))
  if (lines.length > MAX_SIDE) return malformed('too-large', lines[MAX_SIDE]!.number, 1, `the board has more than ${MAX_SIDE} rows`)
  const wide = lines.find(line => line.text.length > MAX_SIDE)
  if (wide !== undefined) return malformed('too-large', wide.number, MAX_SIDE + 1, `the row has more than ${MAX_SIDE} cells`)
  return problemOfCharacters(lines) ?? problemOfCounts(lines) ?? closed(lines, toBoard(lines, width))
}

/** @returns the board's rows, without spaces at their ends, joined by newlines */
export function formatXsb(board: Board): string {
  const rows: string[] = []
  for (let start = 0; start < board.ground.length; start += board.width) {
    rows.push(Array.from({ length: board.width }, (_, column) => cellCharacter(board, start + column)).join('').trimEnd())
  }
  // A row without anything in it would read as a blank line.
  return rows.map(row => (row === '' ? '-' : row)).join('\n')
}

/** The character of one cell and what stands on it. */
export function cellCharacter({ ground, boxes, player }: Board, cell: number): string {
  const goal = ground[cell] === GOAL
  if (cell === player) return goal ? '+' : '@'
  if (boxes.includes(cell)) return goal ? '*' : '$'
  return ground[cell]!
}

function boardLines(text: string): Line[] {
  const lines = text.split(/\r?\n/).map((text, index) => ({ number: index + 1, text: text.trimEnd() }))
  const drawn = lines.filter(({ text }) => !text.startsWith(';'))
  const first = drawn.findIndex(({ text }) => text !== '')
  const last = drawn.findLastIndex(({ text }) => text !== '')
  return first === -1 ? [] : drawn.slice(first, last + 1)
}

function problemOfCharacters(lines: readonly Line[]): XsbError | undefined {
  for (const { number, text } of lines) {
    const at = text.split('').findIndex(character => !KNOWN.includes(character))
    if (at !== -1) return malformed('unknown-character', number, at + 1, `${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))} means nothing on a board: use # @ + $ * . and space, - or _ for floor`)
  }
  return undefined
}

function problemOfCounts(lines: readonly Line[]): XsbError | undefined {
  const { number } = lines[0]!
  const players = places(lines, PLAYERS)
  const boxes = places(lines, BOXES)
  const goals = places(lines, GOALS)
  const second = players[1]
  if (players.length === 0) return malformed('no-player', number, 1, 'the board has no player: put one @, or + on a goal')
  if (second !== undefined) return malformed('two-players', second.line, second.column, `here is player 2 of ${players.length}: a board has exactly one @ or +`)
  if (boxes.length === 0) return malformed('no-boxes', number, 1, 'the board has no boxes: put a $, or * on a goal')
  if (boxes.length === goals.length) return undefined
  const { line, column } = boxes.length > goals.length ? boxes[goals.length]! : goals[boxes.length]!
  return malformed('boxes-and-goals-differ', line, column, `the board has ${counted(boxes.length, 'box', 'boxes')} and ${counted(goals.length, 'goal', 'goals')}: make them equally many`)
}

function closed(lines: readonly Line[], board: Board): ParsedXsb {
  const seen = new Set([board.player])
  for (const cell of seen) {
    for (const direction of DIRECTIONS) {
      const next = neighbour(board, cell, direction)
      if (next === undefined) {
        const line = lines[Math.floor(cell / board.width)]!.number
        return malformed('open-border', line, (cell % board.width) + 1, 'the player could walk off the board here: close the border with #')
      }
      if (board.ground[next] !== WALL) seen.add(next)
    }
  }
  return { kind: 'ok', board }
}

function toBoard(lines: readonly Line[], width: number): Board {
  const cells = lines.map(({ text }) => text.padEnd(width)).join('')
  const cellsOf = (characters: string): number[] => cells.split('').flatMap((character, cell) => (characters.includes(character) ? [cell] : []))
  const ground = cells.split('').map(character => (character === WALL ? WALL : GOALS.includes(character) ? GOAL : FLOOR)).join('')
  return { width, ground, boxes: cellsOf(BOXES), player: cellsOf(PLAYERS)[0]! }
}

function places(lines: readonly Line[], characters: string): { readonly line: number; readonly column: number }[] {
  return lines.flatMap(({ number, text }) => text.split('').flatMap((character, index) => (characters.includes(character) ? [{ line: number, column: index + 1 }] : [])))
}

function counted(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`
}

function malformed(problem: XsbProblem, line: number, column: number, what: string): XsbError {
  return { kind: 'malformed', problem, line, column, message: `line ${line}, column ${column}: ${what}` }
}
