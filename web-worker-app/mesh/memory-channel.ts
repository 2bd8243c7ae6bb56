import type { Channel, LinkChannels } from './link.ts'

/** Bytes that pass a wire at once, at most. */
const BYTES_PER_TURN = 64 * 1024

/** What the channels of one direction share: messages pass one after the other, channel by channel in turn, as in SCTP. */
class Wire {
  readonly #senders = new Set<MemoryChannel>()
  readonly #turns = new MessageChannel()
  #going = false

  constructor() {
    this.#turns.port1.addEventListener('message', () => this.#turn())
    this.#turns.port1.start()
  }

  push(sender: MemoryChannel): void {
    this.#senders.add(sender)
    if (this.#going) return
    this.#going = true
    this.#turns.port2.postMessage(null)
  }

  end(): void {
    this.#turns.port1.close()
  }

  #turn(): void {
    let bytes = 0
    while (bytes < BYTES_PER_TURN && this.#senders.size > 0) {
      for (const sender of this.#senders) {
        bytes += sender.passOne()
        if (sender.hasSentAll) this.#senders.delete(sender)
      }
    }
    this.#going = this.#senders.size > 0
    if (this.#going) this.#turns.port2.postMessage(null)
  }
}

/** A data channel without a network: for tests, and for whoever simulates tabs. */
export class MemoryChannel extends EventTarget implements Channel {
  readonly #wire: Wire
  readonly #waiting: (string | Uint8Array<ArrayBuffer>)[] = []
  #other: MemoryChannel | undefined
  #state: RTCDataChannelState = 'connecting'
  bufferedAmount = 0
  bufferedAmountLowThreshold = 0

  constructor(wire: Wire) {
    super()
    this.#wire = wire
  }

  get readyState(): RTCDataChannelState {
    return this.#state
  }

  /** Empty messages, which take no space, too. */
  get hasSentAll(): boolean {
    return this.#waiting.length === 0
  }

  open(other: MemoryChannel): void {
    this.#other = other
    this.#state = 'open'
    this.dispatchEvent(new Event('open'))
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.#state !== 'open') throw new DOMException('the channel is not open', 'InvalidStateError')
    this.#waiting.push(typeof data === 'string' ? data : data.slice())
    this.bufferedAmount += data.length
    this.#wire.push(this)
  }

  /** What was sent before arrives. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    while (this.bufferedAmount > 0) this.passOne()
    this.#wire.end()
    queueMicrotask(() => {
      this.dispatchEvent(new Event('close'))
      this.#other?.close()
    })
  }

  /** @returns bytes that have left */
  passOne(): number {
    const next = this.#waiting.shift()
    if (next === undefined) return 0
    const before = this.bufferedAmount
    this.bufferedAmount -= next.length
    this.#other?.hear(typeof next === 'string' ? next : next.buffer)
    if (before > this.bufferedAmountLowThreshold && this.bufferedAmount <= this.bufferedAmountLowThreshold) this.dispatchEvent(new Event('bufferedamountlow'))
    return next.length
  }

  /** As from a network: messages for nobody are lost. */
  hear(data: string | ArrayBuffer): void {
    if (this.#state === 'open') this.dispatchEvent(new MessageEvent('message', { data }))
  }
}

/** Both ends of the channels of a link. They open when `connect` is called. */
export function memoryChannels(): { readonly ends: readonly [LinkChannels<MemoryChannel>, LinkChannels<MemoryChannel>]; readonly connect: () => void } {
  const end = (wire = new Wire()): LinkChannels<MemoryChannel> => ({ control: new MemoryChannel(wire), bulk: new MemoryChannel(wire), stages: new MemoryChannel(wire) })
  const [a, b] = [end(), end()]
  const connect = (): void => {
    for (const name of ['control', 'bulk', 'stages'] as const) {
      a[name].open(b[name])
      b[name].open(a[name])
    }
  }
  return { ends: [a, b], connect }
}
