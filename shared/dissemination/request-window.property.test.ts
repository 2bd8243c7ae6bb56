import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { createRequestWindow, pieceCame, stalled, WINDOW_PIECES } from './request-window.ts'

/** An uplink of a fixed rate with nobody else on it: what waits there is what was asked and has not come. @returns the delay of the queue after so many pieces */
function settledQueueMs(pieceMs: number, roundTripMs: number, besideHiddenStates: boolean): number {
  const window = createRequestWindow()
  const arrivals: { readonly sentAt: number; readonly at: number }[] = []
  let now = 0
  let free = 0
  let queueMs = 0
  for (let piece = 0; piece < 4000; piece++) {
    while (arrivals.length < Math.floor(window.pieces)) {
      const sentAt = now + roundTripMs / 2
      free = Math.max(free, sentAt) + pieceMs
      arrivals.push({ sentAt, at: free + roundTripMs / 2 })
    }
    const { sentAt, at } = arrivals.shift()!
    now = at
    queueMs = at - sentAt - pieceMs - roundTripMs / 2
    pieceCame(window, at - sentAt, besideHiddenStates, now)
  }
  return queueMs
}

describe('the queue at an uplink', () => {
  test('settles near what is aimed at, and far lower beside hidden states, whatever the rate and the way', () => {
    fc.assert(
      fc.property(fc.double({ min: 1.5, max: 20, noNaN: true }), fc.integer({ min: 10, max: 80 }), (pieceMs, roundTripMs) => {
        const [alone, beside] = [settledQueueMs(pieceMs, roundTripMs, false), settledQueueMs(pieceMs, roundTripMs, true)]
        // A window has a most and a least, and changes by whole pieces.
        const most = WINDOW_PIECES.most * pieceMs - roundTripMs
        expect(alone).toBeLessThan(60 + 4 * pieceMs)
        expect(alone).toBeGreaterThan(Math.min(60, most) - 4 * pieceMs - 1)
        expect(beside).toBeLessThan(15 + 4 * pieceMs)
      }),
      runs(100)
    )
  })
})

test('a stalled supplier is asked for the least, and the window grows slowly from there', () => {
  const window = createRequestWindow()
  for (let piece = 0; piece < 20; piece++) pieceCame(window, 20, false, piece)
  expect(window.pieces).toBe(WINDOW_PIECES.first + 20)
  stalled(window)
  expect(window.pieces).toBe(WINDOW_PIECES.least)
  pieceCame(window, 20, false, 100)
  expect(window.pieces).toBeCloseTo(WINDOW_PIECES.least + 2)
})
