import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import type { Generated, WorkerEvents } from './stage-worker-api.ts'

/**
 * What was generated for people, on its way to the page: one message at a time. A page that is behind gets fewer messages, and longer
 * ones, instead of a queue that grows with every step.
 */
export class GeneratedOutbox {
  readonly #tell: WorkerEvents['generated']
  #waiting: { readonly pipeline: PipelineId; readonly events: Generated[] }[] = []
  #isUnderWay = false

  /** @param tell settles when the page has taken the message */
  constructor(tell: WorkerEvents['generated']) {
    this.#tell = tell
  }

  push(pipeline: PipelineId, events: readonly Generated[]): void {
    const last = this.#waiting.at(-1)
    if (last?.pipeline === pipeline) last.events.push(...events)
    else this.#waiting.push({ pipeline, events: [...events] })
    if (!this.#isUnderWay) void this.#sendAll()
  }

  async #sendAll(): Promise<void> {
    this.#isUnderWay = true
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) await this.#tell(next.pipeline, next.events)
    this.#isUnderWay = false
  }
}
