import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createSnapshotCell, NUMBERS_MS, REPAINT_MS } from './session-store.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

test('of a flood of numbers listeners hear the first at once, one in a second, and always the last', () => {
  const cell = createSnapshotCell()
  const seen: number[] = []
  cell.subscribe(() => seen.push(cell.getSnapshot().volunteer.tokens))
  for (let tokens = 1; tokens <= 100; tokens++) {
    cell.update({ volunteer: { tokens } })
    vi.advanceTimersByTime(NUMBERS_MS / 20)
  }
  vi.advanceTimersByTime(10 * NUMBERS_MS)
  expect(seen[0]).toBe(1)
  expect(seen.at(-1)).toBe(100)
  expect(seen.length).toBeLessThanOrEqual(7)
  cell.update({ volunteer: { tokens: 101 } })
  expect(seen.at(-1)).toBe(101)
})

test('what a tab does is told within a moment, with the numbers that waited', () => {
  const cell = createSnapshotCell()
  const seen: unknown[] = []
  cell.subscribe(() => seen.push([cell.getSnapshot().volunteer.state, cell.getSnapshot().volunteer.tokens]))
  cell.update({ volunteer: { state: 'generating', tokens: 1 } })
  cell.update({ volunteer: { state: 'generating', tokens: 2 } })
  vi.advanceTimersByTime(REPAINT_MS)
  expect(seen).toEqual([['generating', 1]])
  cell.update({ volunteer: { state: 'paused', tokens: 3 } })
  cell.update({ volunteer: { state: 'stopped' } })
  expect(seen).toEqual([['generating', 1], ['paused', 3]])
  vi.advanceTimersByTime(REPAINT_MS)
  expect(seen).toEqual([['generating', 1], ['paused', 3], ['stopped', 3]])
})

test('who has left hears nothing', () => {
  const cell = createSnapshotCell()
  let heard = 0
  const leave = cell.subscribe(() => heard++)
  leave()
  cell.update({ connection: 'online' })
  vi.advanceTimersByTime(REPAINT_MS)
  expect(heard).toBe(0)
})
