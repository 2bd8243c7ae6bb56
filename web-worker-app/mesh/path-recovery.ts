/** Browsers say so after some seconds without an answer; what is only a gap ends within this. */
const RESTART_AFTER_MS = 2_000
/** From the loss of the path. The signaling server then names other neighbours, or the same one again. */
const GIVE_UP_AFTER_MS = 12_000

export interface PathRecoveryOptions {
  /** ICE looks for a path once more, from new ports: an address has changed, or a router has forgotten us. */
  readonly restart: () => void
  readonly giveUp: () => void
}

/**
 * A connection whose path is lost gets one ICE restart (RFC 8445, section 2.4): its channels stay, with all that is on its way in them.
 * Without a path after that it is given up, to be replaced.
 */
export class PathRecovery {
  readonly #options: PathRecoveryOptions
  #timers: ReturnType<typeof setTimeout>[] = []

  constructor(options: PathRecoveryOptions) {
    this.#options = options
  }

  /** The connection's ICE state has changed. */
  changed(state: RTCIceConnectionState): void {
    if (state === 'connected' || state === 'completed') return this.end()
    if (state !== 'disconnected' || this.#timers.length > 0) return
    this.#timers = [setTimeout(() => this.#options.restart(), RESTART_AFTER_MS), setTimeout(() => this.#options.giveUp(), GIVE_UP_AFTER_MS)]
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers = []
  }
}
