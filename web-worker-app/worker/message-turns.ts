/** Lets messages and timers in between two works: promises alone never do, and a timer waits for milliseconds. */
export class MessageTurns {
  readonly #channel = new MessageChannel()
  #resolve: () => void = () => undefined

  constructor() {
    this.#channel.port1.addEventListener('message', () => this.#resolve())
    this.#channel.port1.start()
  }

  /** One at a time. */
  next(): Promise<void> {
    return new Promise(resolve => {
      this.#resolve = resolve
      this.#channel.port2.postMessage(null)
    })
  }
}
