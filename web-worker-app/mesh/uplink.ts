import { UploadMeter } from './upload-meter.ts'

/** A link, as the others see it. */
export interface UplinkUser {
  /** Bytes of hidden states that have not left. */
  readonly stageBytesWaiting: number
  /** Bytes of hidden states that have left, ever. */
  readonly stageBytesSent: number
  /** Bytes of pieces that have left, ever. */
  readonly pieceBytesSent: number
  /** Bytes of pieces that the browser holds. */
  readonly pieceBytesInBrowser: number
  /** Sends pieces of chunks, a few at most. */
  sendPieces(): void
}

/** A link whose hidden states have not moved for so long does not hold the others up: its tab may be gone. */
const STUCK_MS = 1000
/** Hidden states come in steps: so long after one, the next is expected. */
const EXPECTED_MS = 2000

interface Seen {
  waiting: number
  sent: number
  /** Since when hidden states wait and none has left. */
  since: number
}

/**
 * What all links of a tab share. Hidden states go first: no link sends pieces while any of them has hidden states to send,
 * since a channel's messages are sent whole, one after the other, and the links' packets wait in one queue at the router.
 */
export class Uplink {
  readonly #now: () => number
  readonly #users = new Map<UplinkUser, Seen>()
  readonly #meter: UploadMeter
  #timer: ReturnType<typeof setTimeout> | undefined
  #hiddenStatesAt = Number.NEGATIVE_INFINITY

  /** @param measured bytes of pieces that left in so many milliseconds, while there were always more */
  constructor(now: () => number, measured: (bytes: number, ms: number) => void = () => undefined) {
    this.#now = now
    this.#meter = new UploadMeter(measured)
  }

  join(user: UplinkUser): void {
    this.#meter.restart()
    this.#users.set(user, { waiting: 0, sent: 0, since: 0 })
  }

  leave(user: UplinkUser): void {
    if (!this.#users.delete(user)) return
    this.#meter.restart()
    this.changed()
  }

  /** They leave now, or have lately. */
  get carriesHiddenStates(): boolean {
    return this.#now() - this.#hiddenStatesAt < EXPECTED_MS
  }

  /** Something waits to be sent, or has left. */
  changed(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#meterPieces()
    if (this.#isTaken()) this.#timer = setTimeout(() => this.changed(), STUCK_MS)
    else for (const user of this.#users.keys()) user.sendPieces()
  }

  #meterPieces(): void {
    let left = 0
    let inBrowser = 0
    for (const { pieceBytesSent, pieceBytesInBrowser } of this.#users.keys()) {
      left += pieceBytesSent
      inBrowser += pieceBytesInBrowser
    }
    this.#meter.observe(left, inBrowser, this.#now())
  }

  #isTaken(): boolean {
    const now = this.#now()
    let taken = false
    for (const [user, seen] of this.#users) {
      const { stageBytesWaiting: waiting, stageBytesSent: sent } = user
      if (waiting > 0 || sent !== seen.sent) this.#hiddenStatesAt = now
      if (seen.waiting === 0 || sent !== seen.sent) seen.since = now
      seen.waiting = waiting
      seen.sent = sent
      if (waiting > 0 && now - seen.since < STUCK_MS) taken = true
    }
    return taken
  }
}
