/** A promise that is settled by whoever holds it. A rejection that nobody waits for yet is not an unhandled one. */
export class Deferred<Value = void> {
  readonly promise: Promise<Value>
  resolve!: (value: Value) => void
  reject!: (error: unknown) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.promise.catch(() => undefined)
  }
}
