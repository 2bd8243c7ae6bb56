const PING_MS = 5_000

interface Pinged {
  readonly id: number
  readonly at: number
}

/** Measures the way to every linked tab and back, over the link itself: what waits in its queues counts, the shortest of many is the way. */
export class RoundTrips {
  readonly #ping: (peer: string, id: number) => void
  readonly #measured: (peer: string, ms: number) => void
  readonly #now: () => number
  /** What each peer was asked last, until it answers. */
  readonly #asked = new Map<string, Pinged | undefined>()
  readonly #timer: ReturnType<typeof setInterval>
  #id = 0

  constructor(ping: (peer: string, id: number) => void, measured: (peer: string, ms: number) => void, now: () => number) {
    this.#ping = ping
    this.#measured = measured
    this.#now = now
    this.#timer = setInterval(() => {
      for (const peer of this.#asked.keys()) this.#ask(peer)
    }, PING_MS)
  }

  linkUp(peer: string): void {
    this.#ask(peer)
  }

  linkDown(peer: string): void {
    this.#asked.delete(peer)
  }

  /** An answer to an older question, or to none, is ignored. */
  answered(peer: string, id: number): void {
    const asked = this.#asked.get(peer)
    if (asked?.id !== id) return
    this.#asked.set(peer, undefined)
    this.#measured(peer, this.#now() - asked.at)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#asked.clear()
  }

  #ask(peer: string): void {
    const id = this.#id++
    this.#asked.set(peer, { id, at: this.#now() })
    this.#ping(peer, id)
  }
}
