/** Long enough that what the browser takes in one go does not count for much. */
const SAMPLE_MS = 500

/** How fast pieces leave while there are always some to send: what the tab's uplink can do, or at least does. */
export class UploadMeter {
  readonly #measured: (bytes: number, ms: number) => void
  #since: { readonly left: number; readonly at: number } | undefined

  constructor(measured: (bytes: number, ms: number) => void) {
    this.#measured = measured
  }

  /**
   * To be called before more is given to the browser.
   * @param left bytes that have left, ever
   * @param inBrowser bytes that were given to it and have not left; none: the uplink has stood idle
   */
  observe(left: number, inBrowser: number, now: number): void {
    if (inBrowser === 0) return this.restart()
    this.#since ??= { left, at: now }
    const ms = now - this.#since.at
    if (ms < SAMPLE_MS) return
    this.#measured(left - this.#since.left, ms)
    this.#since = { left, at: now }
  }

  /** What was counted until now is not comparable with what follows. */
  restart(): void {
    this.#since = undefined
  }
}
