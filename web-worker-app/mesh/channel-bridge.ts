/**
 * A data channel that cannot leave the page (Firefox transfers none), and what stands for it on another thread: every
 * event and every message crosses a message port. Same contract, one hop more.
 */
import type { Channel } from './link.ts'

type ToPage = { readonly kind: 'send'; readonly data: string | Uint8Array<ArrayBuffer> } | { readonly kind: 'threshold'; readonly bytes: number } | { readonly kind: 'close' }

type FromPage =
  | { readonly kind: 'open' | 'close' }
  | { readonly kind: 'message'; readonly data: unknown }
  /** `taken`: bytes that have arrived here, ever; `buffered`: how many of them have not left. */
  | { readonly kind: 'sent'; readonly taken: number; readonly buffered: number }

/** @returns what the other thread's end of the channel is made from */
export function bridgeChannel(channel: RTCDataChannel): MessagePort {
  const { port1: port, port2: far } = new MessageChannel()
  const tell = (message: FromPage, transferred: Transferable[] = []): void => port.postMessage(message, transferred)
  let taken = 0
  const tellSent = (): void => tell({ kind: 'sent', taken, buffered: channel.bufferedAmount })
  channel.binaryType = 'arraybuffer'
  channel.addEventListener('open', () => tell({ kind: 'open' }))
  channel.addEventListener('close', () => tell({ kind: 'close' }))
  if (channel.readyState === 'closed') tell({ kind: 'close' })
  channel.addEventListener('bufferedamountlow', tellSent)
  channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => tell({ kind: 'message', data }, data instanceof ArrayBuffer ? [data] : []))
  port.addEventListener('message', ({ data: order }: MessageEvent<ToPage>) => {
    switch (order.kind) {
      case 'threshold':
        channel.bufferedAmountLowThreshold = order.bytes
        return tellSent()
      case 'close':
        return channel.close()
      case 'send':
        taken += bytesOf(order.data)
        if (!trySend(channel, order.data)) return channel.close()
        return tellSent()
    }
  })
  port.start()
  return far
}

function trySend(channel: RTCDataChannel, data: string | Uint8Array<ArrayBuffer>): boolean {
  try {
    if (typeof data === 'string') channel.send(data)
    else channel.send(data)
    return true
  } catch (error) {
    if (error instanceof DOMException) return false
    throw error
  }
}

/** @returns the channel that was handed over, or what stands for it */
export function channelFrom(end: RTCDataChannel | MessagePort): Channel {
  if (end instanceof MessagePort) return new BridgedChannel(end)
  end.binaryType = 'arraybuffer'
  return end
}

/** The channel behind `port`, as if it were here. */
class BridgedChannel extends EventTarget implements Channel {
  readonly #port: MessagePort
  #state: RTCDataChannelState = 'connecting'
  #threshold = 0
  #given = 0
  #sent = { taken: 0, buffered: 0 }

  constructor(port: MessagePort) {
    super()
    this.#port = port
    port.addEventListener('message', ({ data: told }: MessageEvent<FromPage>) => this.#hear(told))
    port.start()
  }

  get readyState(): RTCDataChannelState {
    return this.#state
  }

  get bufferedAmount(): number {
    return this.#given - this.#sent.taken + this.#sent.buffered
  }

  get bufferedAmountLowThreshold(): number {
    return this.#threshold
  }

  set bufferedAmountLowThreshold(bytes: number) {
    if (bytes === this.#threshold) return
    this.#threshold = bytes
    this.#order({ kind: 'threshold', bytes })
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.#state !== 'open') throw new DOMException('the channel is not open', 'InvalidStateError')
    this.#given += bytesOf(data)
    this.#order({ kind: 'send', data }, typeof data === 'string' ? [] : [data.buffer])
  }

  close(): void {
    if (this.#state === 'closed' || this.#state === 'closing') return
    this.#state = 'closing'
    this.#order({ kind: 'close' })
  }

  #order(order: ToPage, transferred: Transferable[] = []): void {
    this.#port.postMessage(order, transferred)
  }

  #hear(told: FromPage): void {
    switch (told.kind) {
      case 'open':
        if (this.#state === 'connecting') this.#state = 'open'
        this.dispatchEvent(new Event('open'))
        return
      case 'close':
        this.#state = 'closed'
        this.#port.close()
        this.dispatchEvent(new Event('close'))
        return
      case 'message':
        this.dispatchEvent(new MessageEvent('message', { data: told.data }))
        return
      case 'sent': {
        const before = this.bufferedAmount
        this.#sent = told
        if (before > this.#threshold && this.bufferedAmount <= this.#threshold) this.dispatchEvent(new Event('bufferedamountlow'))
      }
    }
  }
}

function bytesOf(data: string | Uint8Array<ArrayBuffer>): number {
  return typeof data === 'string' ? new TextEncoder().encode(data).byteLength : data.byteLength
}
