/** A worker thread for tests whose work goes on for a moment after it was closed, as a computation in native code does. */
import { setImmediate as turn } from 'node:timers/promises'
import { serveParent } from '../worker-service.ts'

export class BusyApi {
  #closed = false

  async open(): Promise<void> {}

  async work(): Promise<void> {
    while (!this.#closed) await turn()
    const end = performance.now() + 300
    while (performance.now() < end);
  }

  async close(): Promise<void> {
    this.#closed = true
  }
}

serveParent(new BusyApi())
