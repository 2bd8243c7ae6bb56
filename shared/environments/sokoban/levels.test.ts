import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRng } from '../../random/rng.ts'
import { runs } from '../../testing/property-runs.ts'
import { anyBoard, fewestPushes, replay } from '../../testing/sokoban-oracle.ts'
import { boxesOnGoals, type Board } from './board.ts'
import { distinctLevels, drawLevel, levelsExist, type LevelSettings } from './level-generator.ts'
import { solve } from './solver.ts'
import { levelHash, splitOf, symmetricBoards } from './symmetries.ts'
import { formatXsb } from './xsb.ts'

const SMALL: LevelSettings = { side: 5, boxes: 1, innerWalls: 2, minPushes: 1, maxPushes: 99 }
const LARGER: LevelSettings = { side: 6, boxes: 2, innerWalls: 5, minPushes: 2, maxPushes: 99 }
const settings = fc.record({
  side: fc.integer({ min: 4, max: 7 }),
  boxes: fc.integer({ min: 1, max: 2 }),
  innerWalls: fc.integer({ min: 0, max: 5 }),
  minPushes: fc.integer({ min: 1, max: 3 }),
  maxPushes: fc.integer({ min: 3, max: 8 })
})
const split = fc.constantFrom('train' as const, 'held-out' as const)

describe('symmetries', () => {
  test('the eight images are what turning and mirroring the text gives, and have one name and one split', () => {
    fc.assert(
      fc.property(anyBoard, board => {
        const images = symmetricBoards(board)
        const turn = (rows: readonly string[]): string[] => rows[0]!.split('').map((_, column) => rows.map(row => row[column]!).toReversed().join(''))
        const written = (board: Board): string => formatXsb(board)
        const expected = new Set<string>()
        let rows = written(board).split('\n')
        for (let quarter = 0; quarter < 4; quarter++) {
          rows = turn(rows)
          expected.add(rows.join('\n')).add(rows.toReversed().join('\n'))
        }
        expect(images[0]).toEqual(board)
        expect(images).toHaveLength(8)
        expect(new Set(images.map(written))).toEqual(expected)
        expect(new Set(images.map(levelHash))).toEqual(new Set([levelHash(board)]))
        expect(new Set(images.map(splitOf))).toEqual(new Set([splitOf(board)]))
      })
    )
  })

  test('a name says the same level: two levels share it only as images of each other', () => {
    const levels = Array.from({ length: 150 }, (_, seed) => drawLevel(SMALL, 'train', createRng(seed))!.board)
    const orbits = levels.map(board => new Set(symmetricBoards(board).map(image => JSON.stringify(image))))
    const names = levels.map(levelHash)
    const wrong: string[] = []
    let same = 0
    for (let one = 0; one < levels.length; one++) {
      for (let other = 0; other < one; other++) {
        const image = orbits[one]!.has(JSON.stringify(levels[other]))
        if ((names[one] === names[other]) !== image) wrong.push(`${formatXsb(levels[one]!)}\n${formatXsb(levels[other]!)}`)
        if (image) same++
      }
    }
    expect(wrong).toEqual([])
    expect(same).toBeGreaterThan(10)
  })

  test('more walls around a level are no other level', () => {
    fc.assert(
      fc.property(anyBoard, fc.integer({ min: 1, max: 3 }), (board, more) => {
        const width = board.width + more
        const height = board.ground.length / board.width
        const ground = Array.from({ length: height }, (_, row) => board.ground.slice(row * board.width, (row + 1) * board.width).padStart(width, '#')).join('')
        const shift = (cell: number): number => cell + more * (Math.floor(cell / board.width) + 1)
        const thicker = { width, ground, boxes: board.boxes.map(shift), player: shift(board.player) }
        expect(levelHash(thicker)).toBe(levelHash(board))
        expect(splitOf(thicker)).toBe(splitOf(board))
      })
    )
  })
})

describe('the generator', () => {
  test('draws levels within the settings that need as many pushes as it says', () => {
    fc.assert(
      fc.property(settings, split, fc.nat(), (settings, split, seed) => {
        fc.pre((settings.side - 2) ** 2 - settings.innerWalls > 2 * settings.boxes)
        const level = drawLevel(settings, split, createRng(seed), 200)
        fc.pre(level !== undefined)
        const { board, pushes } = level!
        const inner = (settings.side - 2) ** 2
        expect(board.ground.length).toBe(settings.side ** 2)
        expect(board.boxes.length).toBe(settings.boxes)
        expect(board.ground.split('').filter(cell => cell === '.').length).toBe(settings.boxes)
        expect(boxesOnGoals(board)).toBe(0)
        expect(board.ground.split('').filter(cell => cell !== '#').length).toBeGreaterThanOrEqual(inner - settings.innerWalls)
        expect(pushes).toBeGreaterThanOrEqual(settings.minPushes)
        expect(pushes).toBeLessThanOrEqual(settings.maxPushes)
        expect(splitOf(board)).toBe(split)
        expect(solve(board)).toMatchObject({ kind: 'solved', pushes })
        // Trying all moves takes too long in the largest rooms.
        expect(settings.side < 7 ? fewestPushes(board) : pushes).toBe(pushes)
      }),
      runs(60)
    )
  })

  test('the same seed gives the same level, other seeds others', () => {
    const draw = (seed: number): string => JSON.stringify(drawLevel(LARGER, 'train', createRng(seed)))
    const seeds = Array.from({ length: 200 }, (_, seed) => seed)
    expect(seeds.map(draw)).toEqual(seeds.map(draw))
    expect(new Set(seeds.map(draw)).size).toBeGreaterThan(190)
  })

  test('lists levels without repeating one or an image of one, and ends', () => {
    const listed = [...distinctLevels({ ...SMALL, innerWalls: 1 }, 'held-out', createRng(7))]
    const seen = new Set<string>()
    for (const { board, hash } of listed) {
      expect(hash).toBe(levelHash(board))
      expect(seen.has(JSON.stringify(board))).toBe(false)
      for (const image of symmetricBoards(board)) seen.add(JSON.stringify(image))
    }
    expect(listed.length).toBeGreaterThan(5)
  })

  test('says when settings have no levels', () => {
    expect(levelsExist(LARGER)).toBe(true)
    expect(levelsExist({ ...SMALL, minPushes: 30 })).toBe(false)
  })
})

describe('the splits', () => {
  test('no training level is a held-out one, nor passes one on its way, in any image', () => {
    const heldOut = new Set(Array.from({ length: 150 }, (_, seed) => levelHash(drawLevel(SMALL, 'held-out', createRng(seed))!.board)))
    const passed = new Set<string>()
    for (let seed = 0; seed < 100; seed++) {
      const { board } = drawLevel(SMALL, 'train', createRng(seed))!
      const solution = solve(board)
      const moves = solution.kind === 'solved' ? solution.moves : ''
      for (let length = 0; length <= moves.length; length++) passed.add(levelHash(replay(board, moves.slice(0, length)).board))
    }
    expect([...passed].filter(hash => heldOut.has(hash))).toEqual([])
    expect(passed.size).toBeGreaterThan(60)
    expect(heldOut.size).toBeGreaterThan(20)
  })

  test('about an eighth of all rooms is held out', () => {
    let heldOut = 0
    const rooms = 1_000
    for (let seed = 0; seed < rooms; seed++) {
      const rng = createRng(`room ${seed}`)
      const ground = Array.from({ length: 49 }, (_, cell) => (cell < 7 || cell >= 42 || cell % 7 === 0 || cell % 7 === 6 || rng.below(5) === 0 ? '#' : rng.below(8) === 0 ? '.' : ' '))
      if (splitOf({ width: 7, ground: ground.join(''), boxes: [], player: 24 }) === 'held-out') heldOut++
    }
    expect(heldOut / rooms).toBeGreaterThan(0.095)
    expect(heldOut / rooms).toBeLessThan(0.155)
  })
})
