/**
 * How many pieces one tab may have asked of another and not yet received. Delay-based, so that an uplink's queue stays short and
 * hidden states pass: grows while pieces come as fast as ever, shrinks as soon as they have to queue (after LEDBAT, RFC 6817).
 */
import { createWindowedExtremum, extremum, observe, type WindowedExtremum } from '../scheduling/windowed-extremum.ts'

/** Of queueing at the sender: long enough that its uplink never runs dry. */
const TARGET_MS = 60
/** Where hidden states share the uplink: each of them waits as long, at every stage. */
const TARGET_BESIDE_HIDDEN_STATES_MS = 4
/** A busy machine delays pieces as it pleases, and what it adds is no queue: by how much they vary is added to the target, averaged as round trips are (RFC 6298, section 2). */
const JITTER_WEIGHTS = { mean: 1 / 8, variation: 1 / 4 } as const
/** Pieces that the window grows by in a round trip when there is no queue, and shrinks by at most. */
const GAIN = 4
/**
 * The way may have become longer, and clocks drift: what was the shortest is forgotten after this time. While pieces come without a pause their
 * queue is never empty, and once the base is forgotten it would be taken for the way itself: a version has arrived long before.
 */
const BASE_WINDOW_MS = 180_000

export const WINDOW_PIECES = { least: 2, first: 8, most: 128 } as const

export interface RequestWindow {
  /** May be a fraction: whole pieces below it may be outstanding. */
  pieces: number
  /** One piece more for every piece that came, until a queue is seen. */
  slowStart: boolean
  readonly base: WindowedExtremum
  /** Of the delays of pieces, milliseconds; undefined before the first. */
  jitter: { readonly mean: number; readonly variation: number } | undefined
}

export function createRequestWindow(): RequestWindow {
  return { pieces: WINDOW_PIECES.first, slowStart: true, base: createWindowedExtremum('minimum', BASE_WINDOW_MS), jitter: undefined }
}

/**
 * @param oneWayMs from when it was sent, on the sender's clock, until it came, on ours: only its changes mean something. The way of
 * the question is left out, which may queue behind what we send to others
 */
export function pieceCame(window: RequestWindow, oneWayMs: number, besideHiddenStates: boolean, now: number): void {
  observe(window.base, oneWayMs, now)
  const { mean, variation } = window.jitter ?? { mean: oneWayMs, variation: 0 }
  const off = oneWayMs - mean
  window.jitter = { mean: mean + JITTER_WEIGHTS.mean * off, variation: variation + JITTER_WEIGHTS.variation * (Math.abs(off) - variation) }
  const targetMs = (besideHiddenStates ? TARGET_BESIDE_HIDDEN_STATES_MS : TARGET_MS) + window.jitter.variation
  const queueMs = oneWayMs - extremum(window.base, now)!
  if (queueMs >= targetMs / 2) window.slowStart = false
  const offTarget = Math.max(-1, (targetMs - queueMs) / targetMs)
  const change = window.slowStart ? 1 : (GAIN * offTarget) / window.pieces
  window.pieces = Math.min(WINDOW_PIECES.most, Math.max(WINDOW_PIECES.least, window.pieces + change))
}

export function stalled(window: RequestWindow): void {
  window.pieces = WINDOW_PIECES.least
  window.slowStart = false
}
