import type { Heartbeat } from '#shared/protocol/stage-messages.ts'

/** As often as the worker beats. */
const BEAT_MS = 400

/**
 * Passes the worker's heartbeats on. A work on WASM keeps the worker's thread, so the page goes on counting for it: a work
 * that was announced and of which nothing is heard goes on.
 */
export class HeartbeatRelay {
  readonly #tell: (heartbeat: Heartbeat) => void
  readonly #now: () => number
  #last: { readonly heartbeat: Heartbeat; readonly computing: boolean; readonly at: number } | undefined
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(tell: (heartbeat: Heartbeat) => void, now: () => number) {
    this.#tell = tell
    this.#now = now
  }

  /** @param computing a work is being computed, or begins now */
  heard(heartbeat: Heartbeat, computing: boolean): void {
    this.#last = { heartbeat, computing, at: this.#now() }
    this.#timer ??= setInterval(() => this.#goOn(), BEAT_MS)
    this.#tell(heartbeat)
  }

  /** The worker has ended, or stands still because its volunteer wants it to. */
  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#last = undefined
  }

  #goOn(): void {
    if (this.#last?.computing !== true) return
    const { heartbeat, at } = this.#last
    const since = this.#now() - at
    if (since < BEAT_MS) return
    this.#tell({ workMs: heartbeat.workMs + since, roundMs: heartbeat.roundMs === 0 ? 0 : heartbeat.roundMs + since })
  }
}
