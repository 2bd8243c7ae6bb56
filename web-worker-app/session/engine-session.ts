import type { AnnouncedVersion } from '#shared/coordination/volunteer-state.ts'
import type { BrowserEngine, EngineTried, KnownEngine, LoadRequest, WorkerEvents } from '../worker/stage-worker-api.ts'
import { EngineHost } from './engine-host.ts'

export interface EngineSessionOptions {
  /** @returns undefined when the base was given up meanwhile, and the engine with it */
  readonly request: (base: AnnouncedVersion) => Promise<Omit<LoadRequest, 'known'> | undefined>
  readonly events: Omit<WorkerEvents, 'crashed'>
  readonly loaded: (answer: EngineTried) => void
  readonly crashed: (reason: string) => void
  readonly unreachable: (reason: string) => void
}

/** The page's stage worker: one after the other where they crash, and one slice after the other in each. */
export class EngineSession {
  readonly #options: EngineSessionOptions
  #host: EngineHost | undefined
  /** What passed its self-test on this page, unless it crashed. */
  #known: KnownEngine | undefined
  /** That was loaded last. */
  kind: BrowserEngine | null = null

  constructor(options: EngineSessionOptions) {
    this.#options = options
  }

  /** undefined while there is no worker. */
  get host(): EngineHost | undefined {
    return this.#host
  }

  /** A worker that had another slice goes on, with its engine's files compiled. */
  load(base: AnnouncedVersion): void {
    this.#host ??= this.#open()
    const request = async (): Promise<LoadRequest | undefined> => {
      const wanted = await this.#options.request(base)
      return wanted && { ...wanted, ...(this.#known !== undefined && { known: this.#known }) }
    }
    this.#host.load(request, this.#options.events, answer => {
      if (answer.kind === 'ready') {
        this.#known = { engine: answer.engine, rows: answer.rows }
        this.kind = answer.engine
      }
      this.#options.loaded(answer)
    })
  }

  unloadSlice(): void {
    this.#host?.unload()
  }

  end(): void {
    this.#host?.end()
    this.#host = undefined
  }

  #open(): EngineHost {
    const host = new EngineHost({
      crashed: reason => {
        if (this.#host !== host) return
        this.#known = undefined
        this.#host = undefined
        this.#options.crashed(reason)
      },
      unreachable: reason => {
        if (this.#host !== host) return
        this.#host = undefined
        this.#options.unreachable(reason)
      }
    })
    return host
  }
}
