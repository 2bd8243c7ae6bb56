import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Uplink, type UplinkUser } from './uplink.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A link with so many bytes of hidden states to send, and how often it was let send pieces. */
class User implements UplinkUser {
  stageBytesWaiting = 0
  stageBytesSent = 0
  pieceBytesSent = 0
  pieceBytesInBrowser = 0
  turns = 0

  sendPieces(): void {
    this.turns++
  }

  leave(bytes: number): void {
    this.stageBytesWaiting -= bytes
    this.stageBytesSent += bytes
  }
}

function uplinkOf(count: number): { uplink: Uplink; users: User[]; turns: () => number[] } {
  const uplink = new Uplink(() => performance.now())
  const users = Array.from({ length: count }, () => new User())
  for (const user of users) uplink.join(user)
  return { uplink, users, turns: () => users.map(({ turns }) => turns) }
}

test('pieces wait on every link while hidden states wait on one, and go on when the last has left', () => {
  const { uplink, users, turns } = uplinkOf(2)
  users[0]!.stageBytesWaiting = 100
  uplink.changed()
  users[0]!.leave(99)
  uplink.changed()
  expect(turns()).toEqual([0, 0])
  users[0]!.leave(1)
  uplink.changed()
  expect(turns()).toEqual([1, 1])
})

test('hidden states that do not move hold the others up for a second, and again once they move', () => {
  const { uplink, users, turns } = uplinkOf(2)
  vi.advanceTimersByTime(5000)
  users[0]!.stageBytesWaiting = 100
  uplink.changed()
  vi.advanceTimersByTime(999)
  expect(turns()).toEqual([0, 0])
  vi.advanceTimersByTime(1)
  expect(turns()).toEqual([1, 1])
  users[0]!.leave(50)
  uplink.changed()
  expect(turns()).toEqual([1, 1])
})

test('hidden states that go on moving hold the others up for as long as they do', () => {
  const { uplink, users, turns } = uplinkOf(2)
  users[0]!.stageBytesWaiting = 1000
  for (let step = 0; step < 20; step++) {
    users[0]!.leave(10)
    uplink.changed()
    vi.advanceTimersByTime(500)
  }
  expect(turns()).toEqual([0, 0])
})

test('a link that goes takes its hidden states with it', () => {
  const { uplink, users, turns } = uplinkOf(2)
  users[0]!.stageBytesWaiting = 100
  uplink.changed()
  uplink.leave(users[0]!)
  expect(turns()).toEqual([0, 1])
})

test('hidden states are expected for a while after the last', () => {
  const { uplink, users } = uplinkOf(2)
  uplink.changed()
  expect(uplink.carriesHiddenStates).toBe(false)
  users[1]!.stageBytesWaiting = 100
  uplink.changed()
  expect(uplink.carriesHiddenStates).toBe(true)
  vi.advanceTimersByTime(1000)
  users[1]!.leave(100)
  uplink.changed()
  vi.advanceTimersByTime(1999)
  expect(uplink.carriesHiddenStates).toBe(true)
  vi.advanceTimersByTime(1)
  expect(uplink.carriesHiddenStates).toBe(false)
})

test('what leaves over all links together is measured while there is always something to send', () => {
  const measured: number[] = []
  const uplink = new Uplink(() => performance.now(), (bytes, ms) => measured.push(bytes / ms))
  const users = [new User(), new User()]
  for (const user of users) uplink.join(user)
  const pass = (ms: number, bytesEach: number): void => {
    vi.advanceTimersByTime(ms)
    for (const user of users) user.pieceBytesSent += bytesEach
    uplink.changed()
  }
  for (const user of users) user.pieceBytesInBrowser = 1000
  for (let step = 0; step <= 6; step++) pass(100, 50_000)
  expect(measured).toEqual([1000])
  users[0]!.pieceBytesInBrowser = 0
  uplink.leave(users[1]!)
  for (let step = 0; step < 20; step++) pass(100, 0)
  expect(measured).toHaveLength(1)
})
