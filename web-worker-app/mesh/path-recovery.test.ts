import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { PathRecovery } from './path-recovery.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

function recovery(): { readonly path: PathRecovery; readonly done: string[] } {
  const done: string[] = []
  return { path: new PathRecovery({ restart: () => done.push('restart'), giveUp: () => done.push('give up') }), done }
}

test('a lost path is looked for once, then the connection is given up', () => {
  const { path, done } = recovery()
  path.changed('checking')
  path.changed('connected')
  path.changed('disconnected')
  expect(done).toEqual([])
  vi.advanceTimersByTime(3_000)
  expect(done).toEqual(['restart'])
  path.changed('checking')
  path.changed('disconnected')
  vi.advanceTimersByTime(60_000)
  expect(done).toEqual(['restart', 'give up'])
})

test('a gap needs nothing, and a path that was found again is watched anew', () => {
  const { path, done } = recovery()
  path.changed('disconnected')
  vi.advanceTimersByTime(1_000)
  path.changed('connected')
  vi.advanceTimersByTime(60_000)
  expect(done).toEqual([])
  path.changed('disconnected')
  vi.advanceTimersByTime(3_000)
  path.changed('completed')
  vi.advanceTimersByTime(60_000)
  expect(done).toEqual(['restart'])
})

test('a connection that has ended is let be', () => {
  const { path, done } = recovery()
  path.changed('disconnected')
  path.end()
  vi.advanceTimersByTime(60_000)
  expect(done).toEqual([])
})
