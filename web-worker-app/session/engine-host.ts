import { proxy, transfer, wrap, type Remote } from 'comlink'
import type { Batch } from '#shared/coordination/lease-queue.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { LoadAnswer, LoadRequest, PolicyTensors, RolloutWorkerApi, WorkerEvents } from '../worker/rollout-worker-api.ts'

/** One rollout worker from its start to its end. It takes its orders one after the other; what it throws ends it. */
export class EngineHost {
  readonly #worker: Worker
  readonly #api: Remote<RolloutWorkerApi>
  readonly #crashed: (reason: string) => void
  #orders: Promise<unknown> = Promise.resolve()
  #ended = false

  /** @param crashed called once at most, and never after `end` */
  constructor(crashed: (reason: string) => void) {
    this.#crashed = crashed
    this.#worker = new Worker(new URL('../worker/rollout-worker.ts', import.meta.url), { type: 'module', name: 'rollouts' })
    this.#worker.addEventListener('error', event => this.#crash(event.message))
    this.#worker.addEventListener('messageerror', () => this.#crash('a message of the worker could not be read'))
    this.#api = wrap<RolloutWorkerApi>(this.#worker)
  }

  /** The tensors of `request` are given away. */
  load(request: () => Promise<LoadRequest>, events: Pick<WorkerEvents, 'finished' | 'ended'>, done: (answer: LoadAnswer) => void): void {
    const listener: WorkerEvents = {
      finished: (batch, rollouts) => {
        if (!this.#ended) events.finished(batch, rollouts)
      },
      ended: batch => {
        if (!this.#ended) events.ended(batch)
      },
      crashed: reason => this.#crash(reason)
    }
    this.#order(async () => {
      const load = await request()
      const answer = await this.#api.load(transfer(load, buffersOf(load.weights)), proxy(listener))
      if (!this.#ended) done(answer)
    })
  }

  usePolicy(policy: () => Promise<PolicyTensors>): void {
    this.#order(async () => {
      const tensors = await policy()
      await this.#api.usePolicy(transfer(tensors, tensors.kind === 'base' ? [] : buffersOf(tensors.tensors)))
    })
  }

  generate(batch: Batch): void {
    this.#order(() => this.#api.generate(batch))
  }

  abandon(): void {
    this.#order(() => this.#api.abandon())
  }

  /** Overtakes the orders that wait. */
  hold(): void {
    void this.#api.hold()
  }

  release(): void {
    void this.#api.release()
  }

  end(): void {
    this.#ended = true
    this.#worker.terminate()
  }

  #order(task: () => Promise<unknown>): void {
    this.#orders = this.#orders.then(async () => {
      if (this.#ended) return
      try {
        await task()
      } catch (error) {
        this.#crash(error instanceof Error ? error.message : String(error))
      }
    })
  }

  #crash(reason: string): void {
    if (this.#ended) return
    this.end()
    this.#crashed(reason)
  }
}

/** A group's tensors are views of one buffer, which can be given away once only. */
function buffersOf(tensors: Tensors): ArrayBuffer[] {
  return [...new Set([...tensors.values()].map(({ data }) => data.buffer))]
}
