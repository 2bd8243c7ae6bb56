import type { Direction } from '#shared/environments/sokoban/board.ts'
import type { TurnEnd } from '#shared/environments/sokoban/play-turn.ts'

const directions: Readonly<Record<Direction, string>> = { u: 'up', d: 'down', l: 'left', r: 'right' }

const ends: Readonly<Record<TurnEnd, string>> = {
  'text-ended': '',
  'no-move': 'Then came a character that is no move.',
  limit: 'Further moves were not read.',
  solved: 'Solved.'
}

/** Every sentence of the Sokoban board. */
export const sokobanMessages = {
  directions,
  ends,
  start: 'The level as it was given.',
  step: (direction: string) => `One step ${direction}.`,
  push: (direction: string) => `A push ${direction}.`,
  blocked: (direction: string) => `Something is in the way ${direction}.`,
  nothing: 'No move.',
  progress: (onGoals: number, boxes: number) => `${onGoals} of ${boxes} ${boxes === 1 ? 'box' : 'boxes'} on goals`,
  place: (turn: number, move: number, moves: number) => (turn === 0 ? 'Start' : `Turn ${turn}, picture ${move} of ${moves}`),
  controls: 'Move through the rollout',
  back: 'Back',
  forward: 'Forward',
  play: 'Play',
  pause: 'Pause',
  position: 'Picture'
}
