import { v } from '../../protocol/schema.ts'
import { levelsExist, type LevelSettings } from './level-generator.ts'
import { DEFAULT_MOVES_PER_TURN, MOST_MOVES_PER_TURN } from './play-turn.ts'
import { LARGEST_INNER_SIDE } from './room.ts'

export interface SokobanOptions extends LevelSettings {
  /** Turns after which an unsolved level is over. */
  readonly turns: number
  /** Most moves that are read from one turn's text. */
  readonly movesPerTurn: number
  /** Reward that an unsolved level comes close to with its last push; proportionally less with fewer pushes made. */
  readonly partialCredit: number
}

/**
 * `sokoban-1` has the board of SimpleSokoban in RAGEN (github.com/RAGEN-AI/RAGEN, config/envs.yaml), `sokoban-2` that of LargerSokoban6 in the model cards of
 * Gradient's Echo (6 × 6 with the walls, 2 boxes; there 4 turns of up to 25 moves). Here turns are short, so that a small model looks at the
 * board often, and a whole episode fits 256 characters.
 */
const DEFAULTS = {
  'sokoban-tiny': { side: 5, boxes: 1, innerWalls: 2, minPushes: 1, maxPushes: 99, turns: 4, movesPerTurn: DEFAULT_MOVES_PER_TURN, partialCredit: 0.2 },
  'sokoban-1': { side: 6, boxes: 1, innerWalls: 5, minPushes: 1, maxPushes: 99, turns: 8, movesPerTurn: DEFAULT_MOVES_PER_TURN, partialCredit: 0.2 },
  'sokoban-2': { side: 6, boxes: 2, innerWalls: 5, minPushes: 2, maxPushes: 99, turns: 8, movesPerTurn: DEFAULT_MOVES_PER_TURN, partialCredit: 0.2 }
} as const satisfies Readonly<Record<string, SokobanOptions>>

export type SokobanVariant = keyof typeof DEFAULTS

export const SOKOBAN_VARIANTS = ['sokoban-tiny', 'sokoban-1', 'sokoban-2'] as const satisfies readonly SokobanVariant[]

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most))

/** The variants differ in their defaults only. */
export function sokobanOptions(variant: SokobanVariant) {
  const defaults: SokobanOptions = DEFAULTS[variant]
  return v.pipe(
    v.strictObject({
      side: v.optional(whole(4, LARGEST_INNER_SIDE + 2), defaults.side),
      boxes: v.optional(whole(1, 3), defaults.boxes),
      innerWalls: v.optional(whole(0, LARGEST_INNER_SIDE ** 2), defaults.innerWalls),
      minPushes: v.optional(whole(1, 99), defaults.minPushes),
      maxPushes: v.optional(whole(1, 99), defaults.maxPushes),
      turns: v.optional(whole(1, 64), defaults.turns),
      movesPerTurn: v.optional(whole(1, MOST_MOVES_PER_TURN), defaults.movesPerTurn),
      partialCredit: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(0.9)), defaults.partialCredit)
    }),
    v.check(({ side, boxes, innerWalls }) => (side - 2) ** 2 - innerWalls > 2 * boxes, 'ones that leave room inside for boxes, goals and player: fewer innerWalls or boxes, or a larger side'),
    v.check(({ minPushes, maxPushes }) => minPushes <= maxPushes, 'ones with minPushes up to maxPushes'),
    v.check(settings => levelsExist(settings), 'ones that levels have: with these, no level was found; lower minPushes, or raise maxPushes or side')
  )
}
