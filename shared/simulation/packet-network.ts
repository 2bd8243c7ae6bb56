/** Nodes with an uplink and a downlink of limited rate, joined by delays, in virtual time: what is sent queues at both ends, first in, first out. */
import { nextEvent, schedule, type EventQueue } from './event-queue.ts'

export interface NetworkNode {
  readonly upBytesPerMs: number
  readonly downBytesPerMs: number
  /** To the middle of the network. */
  readonly oneWayMs: number
}

/** A message at the receiver's downlink, where others may be before it. */
interface Incoming<Event> {
  readonly kind: 'incoming'
  readonly to: number
  readonly bytes: number
  readonly brings: Event
}

export interface PacketNetwork<Event> {
  readonly queue: EventQueue<Event | Incoming<Event>>
  readonly nodes: (NetworkNode & { upFreeAt: number; downFreeAt: number })[]
}

export function createPacketNetwork<Event>(queue: PacketNetwork<Event>['queue'], nodes: readonly NetworkNode[]): PacketNetwork<Event> {
  return { queue, nodes: nodes.map(node => ({ ...node, upFreeAt: 0, downFreeAt: 0 })) }
}

/**
 * Schedules what the message brings about for when its last byte is there.
 * @returns when its last byte has left the sender
 */
export function send<Event>({ queue, nodes }: PacketNetwork<Event>, from: number, to: number, bytes: number, brings: Event): number {
  const [sender, receiver] = [nodes[from]!, nodes[to]!]
  sender.upFreeAt = Math.max(queue.nowMs, sender.upFreeAt) + bytes / sender.upBytesPerMs
  schedule(queue, sender.upFreeAt + sender.oneWayMs + receiver.oneWayMs - queue.nowMs, { kind: 'incoming', to, bytes, brings })
  return sender.upFreeAt
}

/** Moves the clock to the next event of the simulation's own. @returns undefined when nothing is scheduled */
export function nextOf<Event extends { readonly kind: string }>({ queue, nodes }: PacketNetwork<Event>): Event | undefined {
  for (let event = nextEvent(queue); event !== undefined; event = nextEvent(queue)) {
    if (!isIncoming(event)) return event
    const receiver = nodes[event.to]!
    receiver.downFreeAt = Math.max(queue.nowMs, receiver.downFreeAt + event.bytes / receiver.downBytesPerMs)
    if (receiver.downFreeAt <= queue.nowMs) return event.brings
    schedule(queue, receiver.downFreeAt - queue.nowMs, event.brings)
  }
  return undefined
}

function isIncoming<Event extends { readonly kind: string }>(event: Event | Incoming<Event>): event is Incoming<Event> {
  return event.kind === 'incoming'
}
