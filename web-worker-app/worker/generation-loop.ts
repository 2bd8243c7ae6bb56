import type { Batch } from '#shared/coordination/lease-queue.ts'
import type { FinishedRollout } from '#shared/coordination/volunteer-state.ts'
import { BatchGenerator, type GeneratedSample } from '#shared/engine/batch-generator.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'

export interface GenerationListener {
  finished(batch: number, rollouts: FinishedRollout[]): void
  ended(batch: number): void
  crashed(error: unknown): void
}

/** Finished rollouts are reported together when so many are there or so much time has passed. */
const REPORT_ROLLOUTS = 16
const REPORT_MS = 250

interface Place {
  readonly batch: Batch
  readonly lease: string
  readonly prompt: number
  readonly index: number
  readonly seed: string
}

interface RunningBatch {
  left: number
  report: FinishedRollout[]
}

/** Steps the batch generator while there is work; everything that touches the engine goes through one queue, between steps. */
export class GenerationLoop {
  readonly #engine: SliceEngine
  readonly #generator: BatchGenerator
  readonly #listener: GenerationListener
  readonly #places = new Map<string, Place>()
  readonly #batches = new Map<number, RunningBatch>()
  #queue: Promise<void> = Promise.resolve()
  #held: { readonly until: Promise<void>; readonly release: () => void } | undefined
  #stepping = false
  #reportedAt = 0

  constructor(engine: SliceEngine, maxRows: number, listener: GenerationListener) {
    this.#engine = engine
    this.#generator = new BatchGenerator({ engine, uniform, maxRows })
    this.#listener = listener
  }

  submit(batch: Batch): Promise<void> {
    return this.#between(() => {
      let left = 0
      for (const { lease, prompt, tokens, samples } of batch.prompts) {
        left += samples.length
        const requests = samples.map(({ index, seed }) => {
          const id = `${batch.id}/${lease}/${prompt}/${index}`
          this.#places.set(id, { batch, lease, prompt, index, seed })
          return { id, seed }
        })
        this.#generator.submit({ prompt: Int32Array.from(tokens), samples: requests, maxTokens: batch.maxTokens })
      }
      this.#batches.set(batch.id, { left, report: [] })
      if (!this.#stepping) void this.#stepAll()
    })
  }

  /** Runs while no step does. */
  exclusive(task: (engine: SliceEngine) => Promise<void>): Promise<void> {
    return this.#between(() => task(this.#engine))
  }

  hold(): void {
    if (this.#held !== undefined) return
    let release: (() => void) | undefined
    const until = new Promise<void>(resolve => (release = resolve))
    this.#held = { until, release: () => release?.() }
  }

  release(): void {
    this.#held?.release()
    this.#held = undefined
  }

  abandon(): Promise<void> {
    return this.#between(() => {
      this.#generator.clear()
      this.#places.clear()
      this.#batches.clear()
    })
  }

  #between(task: () => void | Promise<void>): Promise<void> {
    const turn = this.#queue.then(task)
    this.#queue = turn.catch(() => undefined)
    return turn
  }

  async #stepAll(): Promise<void> {
    this.#stepping = true
    try {
      while (this.#generator.pending > 0) {
        await this.#held?.until
        await this.#between(async () => {
          for (const sample of await this.#generator.step()) this.#collect(sample)
        })
        this.#reportWhenDue()
        await nextMessage()
      }
    } catch (error) {
      this.#listener.crashed(error)
    } finally {
      this.#stepping = false
    }
  }

  #collect({ id, tokens, logProbs, finish }: GeneratedSample): void {
    const { batch, lease, prompt, index, seed } = this.#places.get(id)!
    this.#places.delete(id)
    const running = this.#batches.get(batch.id)!
    running.left--
    const { version, manifestHash } = batch
    running.report.push({
      lease,
      rollout: { id: `${prompt}/${index}`, version, manifestHash, prompt, index, seed, tokens: [...tokens], logProbs: [...logProbs], finish }
    })
  }

  #reportWhenDue(): void {
    const late = performance.now() - this.#reportedAt >= REPORT_MS
    for (const [id, running] of this.#batches) {
      const due = running.left === 0 || running.report.length >= REPORT_ROLLOUTS || (late && running.report.length > 0)
      if (!due) continue
      this.#reportedAt = performance.now()
      this.#listener.finished(id, running.report)
      running.report = []
      if (running.left > 0) continue
      this.#batches.delete(id)
      this.#listener.ended(id)
    }
  }
}

/** Lets messages in: promises alone never do, and a timer waits for milliseconds. */
function nextMessage(): Promise<void> {
  return new Promise(resolve => {
    const channel = new MessageChannel()
    channel.port1.addEventListener('message', () => {
      channel.port1.close()
      resolve()
    })
    channel.port1.start()
    channel.port2.postMessage(null)
  })
}
