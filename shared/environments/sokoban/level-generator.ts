/** Levels by chance, all of them solvable. */
import { createRng, type Rng } from '../../random/rng.ts'
import type { Split } from '../environment.ts'
import type { Board } from './board.ts'
import { boardOf, cellNumbers, connected, lowestNumber, shiftsOf, type Cells, type Room } from './room.ts'
import { solvablePositions } from './solvable-positions.ts'
import { levelHash, splitOf } from './symmetries.ts'

export interface LevelSettings {
  /** Cells along each side, with the walls around: 4 to 7. */
  readonly side: number
  readonly boxes: number
  /** Most walls inside; each level draws their number from 0 on. */
  readonly innerWalls: number
  /** Fewest pushes of a solution: at least and at most. */
  readonly minPushes: number
  readonly maxPushes: number
}

export interface Level {
  readonly board: Board
  /** Fewest pushes of a solution. */
  readonly pushes: number
}

/** Rooms drawn before the settings count as impossible; `levelsExist` asks for a level in far fewer. */
const MAX_ROOMS = 100_000
const ROOMS_TO_FIND_ONE = 1_000

/**
 * Draws a room (walls, goals), then one of the numbers of pushes that its positions need, then a position that needs as many, all
 * boxes off goals, and a place for the player. Levels of the two splits have the same distribution but for the rooms.
 * @returns undefined when so many rooms had no such level that there seems to be none
 */
export function drawLevel(settings: LevelSettings, split: Split, rng: Rng, maxRooms = MAX_ROOMS): Level | undefined {
  for (let draw = 0; draw < maxRooms; draw++) {
    const room = drawRoom(settings, rng)
    if (room === undefined || splitOf(boardOf(room, 0, lowestNumber(room.floor))) !== split) continue
    const level = drawPosition(room, settings, rng)
    if (level !== undefined) return level
  }
  return undefined
}

/** Whether levels of these settings are common enough in both splits to be drawn quickly. */
export function levelsExist(settings: LevelSettings): boolean {
  const splits: readonly Split[] = ['train', 'held-out']
  return splits.every(split => drawLevel(settings, split, createRng('sokoban settings'), ROOMS_TO_FIND_ONE) !== undefined)
}

/** Levels that differ, and not only by a symmetry; ends when a thousand draws in a row bring nothing new. */
export function* distinctLevels(settings: LevelSettings, split: Split, rng: Rng): Generator<Level & { readonly hash: string }> {
  const seen = new Set<string>()
  for (let misses = 0; misses < 1_000; misses++) {
    const level = drawLevel(settings, split, rng)
    if (level === undefined) return
    const hash = levelHash(level.board)
    if (seen.has(hash)) continue
    seen.add(hash)
    misses = 0
    yield { ...level, hash }
  }
}

/** @returns undefined when the walls cut the room in two */
function drawRoom({ side, boxes, innerWalls }: LevelSettings, rng: Rng): Room | undefined {
  const innerSide = side - 2
  const all = 2 ** (innerSide * innerSide) - 1
  const floor = all & ~drawCells(all, rng.below(innerWalls + 1), rng)
  if (connected(shiftsOf(innerSide), floor & -floor, floor) !== floor) return undefined
  return { innerSide, floor, goals: drawCells(floor, boxes, rng) }
}

/** @returns `count` cells of a set that has at least as many */
function drawCells(from: Cells, count: number, rng: Rng): Cells {
  const numbers = cellNumbers(from)
  let drawn = 0
  for (let index = 0; index < count; index++) {
    const other = index + rng.below(numbers.length - index)
    drawn |= 1 << numbers[other]!
    numbers[other] = numbers[index]!
  }
  return drawn
}

function drawPosition(room: Room, { minPushes, maxPushes }: LevelSettings, rng: Rng): Level | undefined {
  const fitting = solvablePositions(room).filter(({ boxes, pushes }) => pushes >= minPushes && pushes <= maxPushes && (boxes & room.goals) === 0)
  if (fitting.length === 0) return undefined
  // By number of pushes first: otherwise the few easy and hard positions would be rare.
  const numbers = [...new Set(fitting.map(({ pushes }) => pushes))]
  const pushes = numbers[rng.below(numbers.length)]!
  const candidates = fitting.filter(position => position.pushes === pushes)
  const { boxes, region } = candidates[rng.below(candidates.length)]!
  const places = cellNumbers(region)
  return { board: boardOf(room, boxes, places[rng.below(places.length)]!), pushes }
}
