import type { Door, DoorOrder } from '../swarm/door-messages.ts'
import type { ServerLink } from './server-link.ts'

/** The front door of another server, at the one that leads. */
export class RemoteDoor implements Door {
  readonly server: string
  readonly link: ServerLink
  #orders: DoorOrder[] = []

  constructor(server: string, link: ServerLink) {
    this.server = server
    this.link = link
  }

  /** Sent at the end of the turn: what many are told goes over the wire once. */
  carryOut(order: DoorOrder): void {
    if (this.#orders.length === 0) queueMicrotask(() => this.#send())
    const last = this.#orders.at(-1)
    if (order.kind === 'tell' && last?.kind === 'tell' && last.event === order.event && last.payload === order.payload) last.to.push(...order.to)
    else this.#orders.push(order.kind === 'tell' ? { ...order, to: [...order.to] } : order)
  }

  #send(): void {
    const orders = this.#orders
    this.#orders = []
    for (const order of orders) this.link.send({ kind: 'order', order })
  }
}
