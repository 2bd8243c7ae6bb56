import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createSnapshotCell, REPAINT_MS } from './session-store.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

test('listeners hear of the first change at once, of a flood a few times in a second, and always of the last', () => {
  const cell = createSnapshotCell()
  const seen: number[] = []
  cell.subscribe(() => seen.push(cell.getSnapshot().volunteer.tokens))
  for (let tokens = 1; tokens <= 100; tokens++) {
    cell.update({ volunteer: { tokens } })
    vi.advanceTimersByTime(REPAINT_MS / 20)
  }
  vi.advanceTimersByTime(10 * REPAINT_MS)
  expect(seen[0]).toBe(1)
  expect(seen.at(-1)).toBe(100)
  expect(seen.length).toBeLessThanOrEqual(7)
  cell.update({ volunteer: { tokens: 101 } })
  expect(seen.at(-1)).toBe(101)
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
