import { encodePiece, type LinkHello, type LinkMessage, type Piece } from '#shared/protocol/link-frames.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { readBulkFrame, readControlFrame, readStageFrame, type LinkFrame } from './link-frame.ts'
import type { StageLink, StageLinkListener } from './stage-link.ts'
import type { Uplink, UplinkUser } from './uplink.ts'

/** What a link needs of a data channel: the browser's own, or one that stands for it. Binary messages are array buffers. */
export type Channel = Pick<RTCDataChannel, 'readyState' | 'bufferedAmount' | 'bufferedAmountLowThreshold' | 'addEventListener' | 'close'> & {
  send(data: string | Uint8Array<ArrayBuffer>): void
}

/** `control`: messages, in order. `bulk`: pieces of chunks, in any order. `stages`: hidden states, in order. All are reliable. */
export const CHANNEL_NAMES = ['control', 'bulk', 'stages'] as const
export type LinkChannels<Of = Channel> = Readonly<Record<(typeof CHANNEL_NAMES)[number], Of>>

export interface LinkListener extends StageLinkListener {
  frame(frame: LinkFrame): void
}

/** What the browser holds for a channel is limited, and one that overflows is closed: the rest waits here. */
const STAGE_BYTES_AHEAD = 4 * 1024 * 1024
/** Of pieces in the browser at a time. Enough that the uplink does not run dry before this thread hears that they left. */
export const BULK_BYTES_AHEAD = 128 * 1024
/** A hidden state waits for what of a piece's channel is in the browser already: two pieces, 7 ms at 20 Mb/s. */
const BULK_BYTES_BEFORE_HIDDEN_STATES = 2 * LIMITS.pieceBytes
/**
 * SCTP sends at most four packets, of 1,160 bytes of messages each, when it is given a message or hears of what has arrived (RFC 9260, section 6.1 D,
 * Max.Burst; dcSCTP, which is Chromium's, keeps to it for every message). What it has left then waits for the next of these events, on a quiet link a round trip.
 */
const BURST_BYTES = 4 * 1160
/** Whoever keeps to its credit never has so many on their way. */
const PIECES_WAITING = 256

/** Three channels to another tab. A channel's events may be lost while it is handed to its thread: nothing is sent before both ends have said hello. */
export class Link implements UplinkUser, StageLink {
  readonly #channels: LinkChannels
  readonly #uplink: Uplink
  readonly #listener: LinkListener
  #greeted = false
  #heard = false
  #state: 'opening' | 'up' | 'down' = 'opening'
  readonly #pieces: Piece[] = []
  readonly #fragments: Uint8Array<ArrayBuffer>[] = []
  #fragmentBytes = 0
  #stageBytesGiven = 0
  #pieceBytesGiven = 0

  constructor(channels: LinkChannels, uplink: Uplink, listener: LinkListener) {
    this.#channels = channels
    this.#uplink = uplink
    this.#listener = listener
    const { control, bulk, stages } = channels
    for (const channel of [control, bulk, stages]) {
      channel.addEventListener('open', () => this.#greet())
      channel.addEventListener('close', () => this.close())
    }
    control.addEventListener('message', ({ data }) => this.#takeControl(data))
    bulk.addEventListener('message', ({ data }) => this.#take(() => listener.frame(readBulkFrame(data))))
    stages.addEventListener('message', ({ data }) => this.#take(() => this.#takeStageFrame(data)))
    bulk.addEventListener('bufferedamountlow', () => uplink.changed())
    stages.addEventListener('bufferedamountlow', () => this.#sendFragments())
  }

  /** Channels that opened or closed on their way here do not say so again. */
  start(): void {
    if (CHANNEL_NAMES.some(name => this.#channels[name].readyState === 'closed')) this.close()
    else this.#greet()
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  get stageBytesWaiting(): number {
    return this.#fragmentBytes + this.#channels.stages.bufferedAmount
  }

  get stageBytesSent(): number {
    return this.#stageBytesGiven - this.stageBytesWaiting
  }

  get pieceBytesInBrowser(): number {
    return this.#channels.bulk.bufferedAmount
  }

  get pieceBytesSent(): number {
    return this.#pieceBytesGiven - this.pieceBytesInBrowser
  }

  sendMessage(message: LinkMessage): void {
    if (this.isUp) this.#send('control', JSON.stringify(message))
  }

  /** Waits while hidden states are to be sent. */
  sendPiece(piece: Piece): void {
    if (!this.isUp) return
    if (this.#pieces.length >= PIECES_WAITING) return this.close()
    this.#pieces.push(piece)
    this.#uplink.changed()
  }

  sendStageFragment(fragment: Uint8Array<ArrayBuffer>): void {
    if (!this.isUp) return
    this.#fragments.push(fragment)
    this.#fragmentBytes += fragment.byteLength
    this.#stageBytesGiven += fragment.byteLength
    this.#sendFragments()
  }

  sendPieces(): void {
    const { bulk } = this.#channels
    const { carriesHiddenStates: besideHiddenStates } = this.#uplink
    const ahead = besideHiddenStates ? BULK_BYTES_BEFORE_HIDDEN_STATES : BULK_BYTES_AHEAD
    bulk.bufferedAmountLowThreshold = ahead / 2
    while (this.isUp && bulk.bufferedAmount < ahead) {
      const next = this.#pieces.shift()
      if (next === undefined) return
      const frame = encodePiece({ ...next, besideHiddenStates })
      this.#pieceBytesGiven += frame.byteLength
      this.#send('bulk', frame)
    }
  }

  close(): void {
    if (this.#state === 'down') return
    const wasUp = this.isUp
    this.#state = 'down'
    for (const name of CHANNEL_NAMES) this.#channels[name].close()
    this.#uplink.leave(this)
    this.#listener.down(wasUp)
  }

  #greet(): void {
    if (this.#greeted || this.#state === 'down' || CHANNEL_NAMES.some(name => this.#channels[name].readyState !== 'open')) return
    this.#greeted = true
    this.#sayHello(this.#heard)
    this.#goUp()
  }

  #sayHello(heard: boolean): void {
    const hello: LinkHello = { kind: 'hello', heard }
    this.#send('control', JSON.stringify(hello))
  }

  #goUp(): void {
    if (this.#state !== 'opening' || !this.#greeted || !this.#heard) return
    this.#state = 'up'
    this.#uplink.join(this)
    this.#listener.up()
  }

  #takeControl(data: unknown): void {
    const frame = readControlFrame(data)
    if (frame.kind !== 'hello') return this.#take(() => this.#listener.frame(frame))
    this.#heard = true
    // What we said before it listened is lost.
    if (this.#greeted && !frame.heard) this.#sayHello(true)
    this.#goUp()
  }

  /** Who sends anything else has heard our hello, and listens; its own may come later over another channel. */
  #take(deliver: () => void): void {
    if (!this.#greeted) return this.close()
    this.#heard = true
    this.#goUp()
    if (this.isUp) deliver()
  }

  #takeStageFrame(data: unknown): void {
    const frame = readStageFrame(data)
    if (frame.kind === 'fragment') this.#listener.stageFragment(frame.fragment)
    else if (frame.kind === 'bad_frame') this.#listener.frame(frame)
  }

  #sendFragments(): void {
    const { stages } = this.#channels
    while (this.isUp && stages.bufferedAmount < STAGE_BYTES_AHEAD) {
      const next = this.#fragments.shift()
      if (next === undefined) break
      this.#fragmentBytes -= next.byteLength
      this.#send('stages', next)
      this.#hasten(next.byteLength)
    }
    // Pieces go on when the last hidden state has left.
    stages.bufferedAmountLowThreshold = this.#fragments.length > 0 ? STAGE_BYTES_AHEAD / 2 : 0
    this.#uplink.changed()
  }

  /** Gives SCTP empty messages, until it may have sent the hidden states that it was given just now, and before them the piece that it was in the middle of. */
  #hasten(bytes: number): void {
    const waiting = bytes + Math.min(this.#channels.bulk.bufferedAmount, LIMITS.pieceBytes)
    for (let sent = BURST_BYTES; sent < waiting; sent += BURST_BYTES) this.#send('stages', new Uint8Array(0))
  }

  #send(name: keyof LinkChannels, data: string | Uint8Array<ArrayBuffer>): void {
    try {
      this.#channels[name].send(data)
    } catch (error) {
      if (!(error instanceof DOMException)) throw error
      // It closed between its last event and now, or is full.
      this.close()
    }
  }
}
