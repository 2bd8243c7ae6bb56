import { proxy, transfer, wrap, type Remote } from 'comlink'
import type { AnnouncedVersion } from '#shared/coordination/volunteer-state.ts'
import type { Batch } from '#shared/coordination/lease-queue.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { MicroBatching } from '#shared/pipeline/micro-batching.ts'
import type { SequenceRequest } from '#shared/pipeline/pipeline-driver.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import type { EngineTried, LoadRequest, PipelinePlace, PolicyTensors, StageWorkerApi, WorkerEvents } from '../worker/stage-worker-api.ts'

/** One of the two is called, once at most, and never after `end`. */
export interface EngineEnds {
  readonly crashed: (reason: string) => void
  /** The engine's own files could not be had. Another try needs another worker. */
  readonly unreachable: (reason: string) => void
}

/** One stage worker from its start to its end, with one slice at a time. It takes its orders in their order, without an answer to each being awaited; what it throws ends it. */
export class EngineHost {
  readonly #worker: Worker
  readonly #api: Remote<StageWorkerApi>
  readonly #ends: EngineEnds
  /** Manifest hashes of the versions that the worker has, or will have when its turn comes. */
  readonly #versions = new Map<PolicyVersion, string>()
  #orders: Promise<unknown> = Promise.resolve()
  #ended = false
  /** How often a slice was unloaded: what was said of a former one is not heard. */
  #unloaded = 0

  constructor(ends: EngineEnds) {
    this.#ends = ends
    this.#worker = new Worker(new URL('../worker/stage-worker.ts', import.meta.url), { type: 'module', name: 'stage' })
    // A script that could not be loaded is told of by an event without an error in it.
    this.#worker.addEventListener('error', event => (event instanceof ErrorEvent ? this.#crash(event.message) : this.#unreachable('its script could not be loaded')))
    this.#worker.addEventListener('messageerror', () => this.#crash('a message of the worker could not be read'))
    this.#api = wrap<StageWorkerApi>(this.#worker)
  }

  /** The tensors of `request` are given away. Without a request, or without the engine's files, nothing is `done`. */
  load(request: () => Promise<LoadRequest | undefined>, events: Omit<WorkerEvents, 'crashed'>, done: (answer: EngineTried) => void): void {
    const load = this.#unloaded
    const isOver = (): boolean => this.#ended || this.#unloaded !== load
    const unlessOver =
      <Args extends unknown[]>(listener: (...args: Args) => void) =>
      (...args: Args): void => {
        if (!isOver()) listener(...args)
      }
    const listener: WorkerEvents = {
      finished: unlessOver(events.finished),
      ended: unlessOver(events.ended),
      generated: unlessOver(events.generated),
      broken: unlessOver(events.broken),
      beat: unlessOver(events.beat),
      crashed: reason => this.#crash(reason)
    }
    this.#order(async () => {
      const wanted = isOver() ? undefined : await request()
      if (wanted === undefined || isOver()) return
      const answer = await this.#api.load(transfer(wanted, buffersOf(wanted.weights)), proxy(listener))
      if (isOver()) return
      if (answer.kind === 'files_unreachable') this.#unreachable(answer.reason)
      else done(answer)
    })
  }

  /** The slice goes, the worker stays for another. */
  unload(): void {
    this.#unloaded++
    this.#versions.clear()
    this.#order(() => this.#api.unload())
  }

  /** What the worker has already is not put together again. */
  addVersion({ version, manifestHash }: AnnouncedVersion, policy: () => Promise<PolicyTensors | undefined>): void {
    if (this.#versions.get(version) === manifestHash) return
    this.#versions.set(version, manifestHash)
    const isWanted = (): boolean => this.#versions.get(version) === manifestHash
    this.#order(async () => {
      const tensors = isWanted() ? await policy() : undefined
      if (tensors === undefined || !isWanted()) return
      this.#send(this.#api.addVersion(version, transfer(tensors, tensors.kind === 'base' ? [] : buffersOf(tensors.tensors))))
    })
  }

  dropVersion(version: PolicyVersion): void {
    if (this.#versions.delete(version)) this.#order(() => this.#send(this.#api.dropVersion(version)))
  }

  join(place: PipelinePlace): void {
    const ports = [place.incoming, place.outgoing].filter(port => port !== undefined)
    this.#order(() => this.#send(this.#api.join(transfer(place, ports))))
  }

  tune(pipeline: PipelineId, batching: MicroBatching): void {
    this.#order(() => this.#send(this.#api.tune(pipeline, batching)))
  }

  leave(pipeline: PipelineId): void {
    this.#order(() => this.#send(this.#api.leave(pipeline)))
  }

  /** Not when its version has been dropped before its turn came. */
  generate(batch: Batch): void {
    this.#order(() => {
      if (this.#versions.has(batch.version)) this.#send(this.#api.generate(batch))
    })
  }

  request(requests: readonly SequenceRequest[]): void {
    this.#order(() => this.#send(this.#api.request(requests)))
  }

  giveUp(keys: readonly string[]): void {
    this.#order(() => this.#send(this.#api.giveUp(keys)))
  }

  abandon(): void {
    this.#order(() => this.#send(this.#api.abandon()))
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

  /** A task that has to prepare something, or to hear that it was done, holds up those that follow. */
  #order(task: () => Promise<void> | void): void {
    this.#orders = this.#orders.then(async () => {
      if (this.#ended) return
      try {
        await task()
      } catch (error) {
        this.#crash(describe(error))
      }
    })
  }

  /** A worker that computes answers late: whoever waited would get one order through to it between two works. */
  #send(answer: Promise<void>): void {
    answer.catch((error: unknown) => this.#crash(describe(error)))
  }

  #crash(reason: string): void {
    if (this.#ended) return
    this.end()
    this.#ends.crashed(reason)
  }

  #unreachable(reason: string): void {
    if (this.#ended) return
    this.end()
    this.#ends.unreachable(reason)
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A group's tensors are views of one buffer, which can be given away once only. */
function buffersOf(tensors: Tensors): ArrayBuffer[] {
  return [...new Set([...tensors.values()].map(({ data }) => data.buffer))]
}
