/** How the origin shares out what it can send: so many bytes for each address, and few chunks at the same time. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressBlock } from '../address-block.ts'
import { TokenBuckets, type Rate } from '../token-bucket.ts'
import { FairQueue } from './fair-queue.ts'

export interface OriginUplinkOptions {
  /** Bytes of chunks for one address. */
  readonly rate: Rate
  /** Bodies that are sent at the same time. */
  readonly responses: number
  readonly addressOf: (request: IncomingMessage) => AddressBlock | undefined
  /** Who does not take a slice of its body within so many milliseconds holds up nobody any more. Default: two seconds. */
  readonly stallMs?: number
}

/** Handed to the system one after the other, so that it is seen whether they leave. */
const SLICE_BYTES = 64 * 1024
const STALL_MS = 2000
/** Programs of this machine are not limited, and wait in one line. */
const THIS_MACHINE = ''

export class OriginUplink {
  readonly #options: OriginUplinkOptions
  readonly #bytes: TokenBuckets
  readonly #queue: FairQueue

  constructor(options: OriginUplinkOptions) {
    this.#options = options
    this.#bytes = new TokenBuckets(options.rate)
    this.#queue = new FairQueue(options.responses)
  }

  /** @returns 0 when the sender of the request may have so many bytes; otherwise milliseconds after which it may ask again */
  take(request: IncomingMessage, bytes: number): number {
    const address = this.#options.addressOf(request)
    return address === undefined ? 0 : this.#bytes.take(address, bytes, performance.now())
  }

  /**
   * Sends the headers at once, so that the other end knows that it is heard, and the body when it is the request's turn. Who reads too slowly loses its place and not its response, whose rest goes on
   * beside those that have one: it takes little of the uplink.
   * @param begun called before the first byte of the body; not when the client is gone by then
   */
  send(request: IncomingMessage, response: ServerResponse, body: Buffer, begun: () => void): void {
    response.flushHeaders()
    const leave = this.#queue.enter(this.#options.addressOf(request) ?? THIS_MACHINE, () => {
      begun()
      this.#sendFrom(0, response, body, () => leave())
    })
    response.once('close', leave)
  }

  #sendFrom(start: number, response: ServerResponse, body: Buffer, leave: () => void): void {
    const stalled = setTimeout(leave, this.#options.stallMs ?? STALL_MS)
    const end = start + SLICE_BYTES
    const sent = (error?: Error | null): void => {
      clearTimeout(stalled)
      // Of a connection that broke, `close` tells.
      if (error) return
      if (end < body.byteLength) this.#sendFrom(end, response, body, leave)
      else response.end()
    }
    response.write(body.subarray(start, end), sent)
  }
}
