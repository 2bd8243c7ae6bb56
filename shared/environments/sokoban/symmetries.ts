/** A level turned or mirrored is the same puzzle: names that the eight symmetries of the square leave as they are. */
import { sha256Hex } from '../../crypto/sha256.ts'
import { createRng } from '../../random/rng.ts'
import type { Split } from '../environment.ts'
import { WALL, type Board } from './board.ts'
import { mazeOf } from './maze.ts'
import { cellCharacter } from './xsb.ts'

/** One room in this many is held out. */
const HELD_OUT_SHARE = 8

/** 64 bits: among a million levels, two share a name with a chance of 3 in 10⁸. */
const HASH_DIGITS = 16

/** @returns the eight images of a board, itself first */
export function symmetricBoards(board: Board): Board[] {
  return images(board.ground.length / board.width, board.width).map(image => {
    const sources = cellsOf(image)
    return {
      width: image.columns,
      ground: sources.map(cell => board.ground[cell]!).join(''),
      boxes: board.boxes.map(box => sources.indexOf(box)).toSorted((a, b) => a - b),
      player: sources.indexOf(board.player)
    }
  })
}

/** The level's name, 16 hexadecimal digits: the same for its images and for any thickness of the walls around it. */
export function levelHash(board: Board): string {
  return sha256Hex(Uint8Array.from(canonical(board, cell => cellCharacter(board, cell)), character => character.charCodeAt(0))).slice(0, HASH_DIGITS)
}

/**
 * The split of a level, by its room: its walls and goals, in whichever of the eight images. So a position that is held out is met
 * neither at the start of a training level nor anywhere on the way.
 */
export function splitOf(board: Board): Split {
  return createRng(`sokoban split/${canonical(board, cell => board.ground[cell]!)}`).below(HELD_OUT_SHARE) === 0 ? 'held-out' : 'train'
}

/** The least of the eight images' texts of what the player could reach; all else counts as wall. */
function canonical(board: Board, character: (cell: number) => string): string {
  const { cells, squareOf } = mazeOf(board)
  const columnsUsed = cells.map(cell => cell % board.width)
  const left = Math.min(...columnsUsed)
  const columns = Math.max(...columnsUsed) - left + 1
  const top = Math.floor(cells[0]! / board.width)
  const rows = Math.floor(cells.at(-1)! / board.width) - top + 1
  const characters = Array.from({ length: rows * columns }, (_, index) => {
    const cell = (top + Math.floor(index / columns)) * board.width + left + (index % columns)
    return squareOf[cell] === -1 ? WALL : character(cell)
  })
  return images(rows, columns)
    .map(image => `${image.columns}:${cellsOf(image).map(cell => characters[cell]!).join('')}`)
    .reduce((least, text) => (text < least ? text : least))
}

/** A way to walk through all cells of a rectangle: which cell comes first, and how far the next row and the next column are away. */
interface Image {
  readonly rows: number
  readonly columns: number
  readonly first: number
  readonly rowStep: number
  readonly columnStep: number
}

/** Rows in either order, columns in either order, and rows for columns or not; the identity first. */
function images(rows: number, columns: number): Image[] {
  const walks = [0, 1].flatMap(flipRows =>
    [0, 1].map(flipColumns => ({
      rows,
      columns,
      first: flipRows * (rows - 1) * columns + flipColumns * (columns - 1),
      rowStep: flipRows === 1 ? -columns : columns,
      columnStep: flipColumns === 1 ? -1 : 1
    }))
  )
  return [...walks, ...walks.map(walk => ({ rows: columns, columns: rows, first: walk.first, rowStep: walk.columnStep, columnStep: walk.rowStep }))]
}

/** Cells of the original, in the order in which they appear in the image. */
function cellsOf({ rows, columns, first, rowStep, columnStep }: Image): number[] {
  const cells: number[] = []
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) cells.push(first + row * rowStep + column * columnStep)
  return cells
}
