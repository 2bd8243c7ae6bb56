const CHANNEL = 'murmuration-storage'
/** Chunks arrive by the dozen a second; what they add up to is read by people. */
const INTERVAL_MS = 500

/** Tells all pages of the origin, this one included, that what is stored or preferred has changed. */
export class StorageChanges {
  readonly #channel = new BroadcastChannel(CHANNEL)
  #timer: ReturnType<typeof setTimeout> | undefined
  #changed = false

  /** Heard at once, or a little later together with what follows. */
  tell(): void {
    this.#changed = true
    if (this.#timer === undefined) this.#post()
  }

  listen(changed: () => void): void {
    this.#channel.addEventListener('message', changed)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#channel.close()
  }

  #post(): void {
    this.#changed = false
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A broadcast never leaves the origin.
    this.#channel.postMessage(null)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#changed) this.#post()
    }, INTERVAL_MS)
  }
}
