import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { parseXsb } from '#shared/environments/sokoban/xsb.ts'
import { SokobanBoard } from './sokoban-board.tsx'

test('the board is drawn with a name, and has a slider with a place for every picture', () => {
  const level = parseXsb('######\n#@$ .#\n######')
  if (level.kind !== 'ok') throw new Error(level.message)
  const markup = renderToStaticMarkup(<SokobanBoard start={level.board} actions={['r', 'r']} movesPerTurn={8} />)
  expect(markup).toContain('role="img" aria-label="0 of 1 box on goals"')
  expect(markup.match(/class="sokoban-wall"/g)).toHaveLength(14)
  expect(markup).toMatch(/<input type="range"[^>]* min="0" max="2"/)
  expect(markup).toMatch(/<button type="button" class="small" disabled="">Back<\/button><button type="button" class="small">Play<\/button><button type="button" class="small">Forward<\/button>/)
  expect(markup).toContain('The level as it was given.')
})
