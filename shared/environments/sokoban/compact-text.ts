import { FLOOR, WALL, type Board } from './board.ts'
import { cellCharacter, parseXsb } from './xsb.ts'

/**
 * A board as the policy reads it: XSB characters with `-` for floor, rows joined by `/`, without the outermost walls, then `=`. The four
 * walls say nothing, and every character costs a token: 20 are left of a 6 × 6 board. Rows of equal length put the cell above and
 * the cell below at fixed distances, which a small transformer can learn to look at.
 */
export function compactText(board: Board): string {
  const height = board.ground.length / board.width
  const rows: string[] = []
  for (let row = 1; row < height - 1; row++) {
    let text = ''
    for (let column = 1; column < board.width - 1; column++) text += cellCharacter(board, row * board.width + column).replace(FLOOR, '-')
    rows.push(text)
  }
  return `${rows.join('/')}=`
}

/** The board that {@link compactText} wrote; undefined for any other text. */
export function readCompactText(text: string): Board | undefined {
  const rows = /^([^=]+)=$/.exec(text)?.[1]?.split('/') ?? []
  const width = rows[0]?.length ?? 0
  if (rows.some(row => row.length !== width)) return undefined
  const edge = WALL.repeat(width + 2)
  const parsed = parseXsb([edge, ...rows.map(row => `${WALL}${row}${WALL}`), edge].join('\n'))
  return parsed.kind === 'ok' ? parsed.board : undefined
}
