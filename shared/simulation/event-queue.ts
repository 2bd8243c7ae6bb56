/** A virtual clock: what is due next, and when. Of events at the same time the one that was scheduled first comes first. */
import { PriorityQueue } from '../scheduling/priority-queue.ts'

export interface EventQueue<Event> {
  nowMs: number
  readonly due: PriorityQueue<{ readonly atMs: number; readonly event: Event }>
}

export function createEventQueue<Event>(): EventQueue<Event> {
  return { nowMs: 0, due: new PriorityQueue() }
}

export function schedule<Event>(queue: EventQueue<Event>, afterMs: number, event: Event): void {
  const atMs = queue.nowMs + afterMs
  queue.due.push({ atMs, event }, [atMs])
}

/** Moves the clock to the next event. @returns undefined when nothing is scheduled */
export function nextEvent<Event>(queue: EventQueue<Event>): Event | undefined {
  const next = queue.due.pop()
  if (next !== undefined) queue.nowMs = next.atMs
  return next?.event
}
