/** Follows which peers hold which layers, as the dashboard does. */
import { io, type Socket } from 'socket.io-client'
import { layerCoverage, type LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { decode, describeMalformed } from '#shared/protocol/schema.ts'
import { inTime, WAIT_MS } from './in-time.ts'

export class CoverageWatcher {
  readonly #socket: Socket
  readonly #listeners = new Set<(coverage: LayerCoverage) => void>()
  readonly #waitMs: number
  #latest: LayerCoverage | undefined

  /**
   * @param run the server's newest unless said
   * @param waitMs after which what was waited for has not come
   * @throws when the server sends what breaks the schema
   */
  constructor(server: string, { run, waitMs = WAIT_MS }: { readonly run?: string; readonly waitMs?: number } = {}) {
    this.#waitMs = waitMs
    this.#socket = io(server, { transports: ['websocket'], auth: { role: 'observer', run } })
    this.#socket.on('layer_coverage', (raw: unknown) => {
      const decoded = decode(layerCoverage, raw)
      if (decoded.kind === 'malformed') throw new Error(describeMalformed('layer_coverage', decoded))
      this.#latest = decoded.value
      for (const listener of this.#listeners) listener(decoded.value)
    })
  }

  get latest(): LayerCoverage | undefined {
    return this.#latest
  }

  /** Called with every coverage from now on. */
  listen(listener: (coverage: LayerCoverage) => void): void {
    this.#listeners.add(listener)
  }

  /**
   * Resolves with the first coverage, the newest one included, that satisfies the predicate.
   *
   * @throws when none did in time, with the latest one
   */
  waitFor(predicate: (coverage: LayerCoverage) => boolean): Promise<LayerCoverage> {
    if (this.#latest !== undefined && predicate(this.#latest)) return Promise.resolve(this.#latest)
    const satisfied = new Promise<LayerCoverage>(resolve => {
      const listener = (coverage: LayerCoverage): void => {
        if (!predicate(coverage)) return
        this.#listeners.delete(listener)
        resolve(coverage)
      }
      this.#listeners.add(listener)
    })
    return inTime(satisfied, () => `a coverage; the latest: ${JSON.stringify(this.#latest)}`, this.#waitMs)
  }

  close(): void {
    this.#socket.close()
  }
}
