import type { MicroBatching } from '#shared/pipeline/micro-batching.ts'
import type { SequenceRequest } from '#shared/pipeline/pipeline-driver.ts'
import type { PipelineId, StageWork } from '#shared/pipeline/stage-work.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import { createLayerCostFit, fittedLayerCost, layerMs, observeLayerCost } from '#shared/scheduling/layer-cost.ts'
import type { Batch } from '#shared/coordination/lease-queue.ts'
import type { ChosenEngine } from './engine-choice.ts'
import { GeneratedOutbox } from './generated-outbox.ts'
import { LeasedBatches } from './leased-batches.ts'
import { PolicyVersions } from './policy-versions.ts'
import { rowsOf, StageLoop, type StepMeasured } from './stage-loop.ts'
import type { Generated, PipelinePlace, PolicyTensors, WorkerEvents } from './stage-worker-api.ts'
import { measureThroughput, type Throughput, type ThroughputRequest } from './throughput.ts'

const BEAT_MS = 400
/** A work that takes longer is announced, since nothing is heard of the worker until it ends. */
const LONG_WORK_MS = 200

/** One engine with everything that works on it. */
export class LoadedSlice {
  readonly #chosen: ChosenEngine
  readonly #events: WorkerEvents
  readonly #versions: PolicyVersions
  readonly #loop: StageLoop
  readonly #leased: LeasedBatches
  readonly #outbox: GeneratedOutbox
  readonly #costs = { decode: createLayerCostFit(), prefill: createLayerCostFit() }
  #steps: StepMeasured[] = []
  #beatAt = 0
  readonly #beats: ReturnType<typeof setInterval>

  constructor(chosen: ChosenEngine, events: WorkerEvents) {
    this.#chosen = chosen
    this.#events = events
    this.#versions = new PolicyVersions(chosen.engine)
    this.#outbox = new GeneratedOutbox((pipeline, generated) => events.generated(pipeline, generated))
    this.#leased = new LeasedBatches(events, () => performance.now())
    this.#loop = new StageLoop({
      engine: chosen.engine,
      maxRows: chosen.rows,
      useVersion: version => this.#versions.use(version),
      generated: (all, pipeline) => this.#generated(all, pipeline),
      broken: (pipeline, reason) => events.broken(pipeline, reason),
      crashed: error => events.crashed(error instanceof Error ? error.message : String(error)),
      measured: step => this.#measured(step),
      begins: work => {
        if (this.#isDue || this.#expectedMs(work) > LONG_WORK_MS) this.#beat()
      },
      ended: () => {
        if (this.#isDue) this.#beat()
      }
    })
    this.#beats = setInterval(() => this.#beat(), BEAT_MS)
  }

  addVersion(version: PolicyVersion, policy: PolicyTensors): void {
    // Other weights under the same number: what has begun with the former ones cannot go on.
    if (this.#versions.has(version)) this.#loop.giveUpVersion(version)
    this.#versions.add(version, policy)
  }

  dropVersion(version: PolicyVersion): void {
    this.giveUp(this.#leased.abandon(version))
    this.#versions.drop(version)
  }

  join(place: PipelinePlace): void {
    this.#loop.join(place)
  }

  tune(pipeline: PipelineId, batching: MicroBatching): void {
    this.#loop.tune(pipeline, batching)
  }

  leave(pipeline: PipelineId): void {
    this.#loop.leave(pipeline)
  }

  generate(batch: Batch): void {
    this.request(this.#leased.begin(batch))
  }

  request(requests: readonly SequenceRequest[]): void {
    this.#loop.drive({ kind: 'requested', requests })
  }

  giveUp(keys: readonly string[]): void {
    this.#loop.drive({ kind: 'given_up', keys })
  }

  abandon(): void {
    this.giveUp(this.#leased.abandon())
  }

  hold(): void {
    this.#loop.hold()
  }

  release(): void {
    this.#loop.release()
  }

  /** @returns when the work that it was at has ended, and its memory is free */
  async end(): Promise<void> {
    clearInterval(this.#beats)
    await this.#loop.end()
    await this.#chosen.engine.release()
  }

  async measure(version: PolicyVersion, request: ThroughputRequest): Promise<Throughput> {
    await this.#versions.use(version)
    return measureThroughput(this.#chosen.engine, this.#chosen.timer, request)
  }

  #generated(all: readonly Generated[], pipeline: PipelineId | undefined): void {
    const others = all.filter(event => !this.#leased.take(event))
    // What was requested of a pipeline that is no more is requested anew of another.
    if (others.length > 0 && pipeline !== undefined) this.#outbox.push(pipeline, others)
    this.#leased.reportWhenDue()
  }

  #measured(step: StepMeasured): void {
    this.#steps.push(step)
    observeLayerCost(this.#costs[step.kind], step, performance.now())
  }

  #expectedMs(work: StageWork): number {
    const cost = fittedLayerCost(this.#costs[work.kind])
    return cost === undefined ? Infinity : layerMs(cost, rowsOf(work))
  }

  get #isDue(): boolean {
    return performance.now() - this.#beatAt >= BEAT_MS
  }

  #beat(): void {
    this.#versions.sweep(version => this.#loop.uses(version))
    this.#leased.reportWhenDue()
    const { heartbeat } = this.#loop
    if (heartbeat === undefined) return
    this.#beatAt = performance.now()
    this.#events.beat(heartbeat, this.#loop.computing, this.#steps)
    this.#steps = []
  }
}
