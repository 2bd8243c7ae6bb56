/** Follows which peers hold which layers, as the dashboard does. */
import { io, type Socket } from 'socket.io-client'
import { layerCoverage, type LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { decode, describeMalformed } from '#shared/protocol/schema.ts'

/** Less than a test may take, more than any change of the coverage takes on a busy machine, unless tabs compute without a GPU on WebGPU. */
const WAIT_MS = 200_000

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
   * @throws when none did in time, with the latest one: a test that ran out of time does not say where it stood
   */
  waitFor(predicate: (coverage: LayerCoverage) => boolean): Promise<LayerCoverage> {
    if (this.#latest !== undefined && predicate(this.#latest)) return Promise.resolve(this.#latest)
    const asked = new Error('asked here')
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited in vain for a coverage; the latest: ${JSON.stringify(this.#latest)}`, { cause: asked })), this.#waitMs)
      const listener = (coverage: LayerCoverage): void => {
        if (!predicate(coverage)) return
        clearTimeout(timer)
        this.#listeners.delete(listener)
        resolve(coverage)
      }
      this.#listeners.add(listener)
    })
  }

  close(): void {
    this.#socket.close()
  }
}
