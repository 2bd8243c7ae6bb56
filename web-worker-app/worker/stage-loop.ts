import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { assemble, createFrameAssembly, fragmentsOf } from '#shared/pipeline/frame-fragments.ts'
import { createPipelineDriver, stepPipelineDriver, type DriverEffect, type DriverInput, type PipelineDriver } from '#shared/pipeline/pipeline-driver.ts'
import { decodeStageFrame, encodeStageFrame } from '#shared/pipeline/stage-frames.ts'
import type { EndOfMicroBatch, PipelineId, StageMessage, StageWork } from '#shared/pipeline/stage-work.ts'
import { Stage } from '#shared/pipeline/stage.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'
import type { FirstPlace, PipelineEvents, PipelinePlace } from './stage-worker-api.ts'

/** Milliseconds of one step of this stage: what its profile is made from. */
export interface StepMeasured {
  readonly kind: 'decode' | 'prefill'
  /** Sequences in decode, tokens of all prompts together in prefill. */
  readonly rows: number
  readonly ms: number
}

export interface StageLoopOptions {
  readonly engine: SliceEngine
  /** Most sequences in one micro-batch. */
  readonly maxRows: number
  readonly useVersion: (version: PolicyVersion) => Promise<void>
  readonly measured: (step: StepMeasured) => void
}

interface Pipeline {
  readonly place: PipelinePlace
  readonly stage: Stage
  readonly events: PipelineEvents
  /** Of the first stage only. It outlives the links: another pipeline may take it over. */
  readonly driver: PipelineDriver | undefined
  broken: boolean
}

interface Arrival {
  readonly pipeline: PipelineId
  readonly work: StageWork | EndOfMicroBatch
}

/**
 * The stages of one worker, of as many pipelines as it has a place in: one engine, works in the order of their arrival.
 * A pipeline is a ring of channels; what one stage sends, the next receives, and the first receives what the last drew.
 */
export class StageLoop {
  readonly #options: StageLoopOptions
  readonly #pipelines = new Map<PipelineId, Pipeline>()
  #arrivals: Arrival[] = []
  #running: Pipeline | undefined

  constructor(options: StageLoopOptions) {
    this.#options = options
  }

  join(place: PipelinePlace, events: PipelineEvents): void {
    const { engine, maxRows, useVersion } = this.#options
    const driver = place.first === undefined ? undefined : this.#driverFor(place.first)
    this.leave(place.pipeline)
    this.#pipelines.set(place.pipeline, { place, events, driver, stage: new Stage({ engine, uniform, maxRows, useVersion }), broken: false })
    const assembly = createFrameAssembly()
    place.incoming?.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (!(data instanceof Uint8Array)) return this.#break(place.pipeline, 'a message that is not binary')
      const arrived = assemble(assembly, data)
      if (arrived.kind === 'refused') this.#break(place.pipeline, `a ${arrived.code} fragment`)
      else if (arrived.kind === 'frame') this.#take(place.pipeline, arrived.frame)
    })
    place.incoming?.start()
    if (place.first?.replaces !== undefined) this.drive(place.pipeline, { kind: 'pipeline_lost' })
  }

  /** The driver of the pipeline that this one replaces, with all its sequences, or a new one. */
  #driverFor({ microBatches, replaces }: FirstPlace): PipelineDriver {
    const inherited = replaces === undefined ? undefined : this.#pipelines.get(replaces)?.driver
    if (replaces !== undefined) this.leave(replaces)
    if (inherited === undefined) return createPipelineDriver({ eosTokenIds: this.#options.engine.config.eosTokenIds, maxRows: this.#options.maxRows }, microBatches)
    inherited.microBatches = microBatches
    return inherited
  }

  /** Gives the place up and forgets the pipeline's sequences. */
  leave(pipeline: PipelineId): void {
    this.#close(pipeline)
    this.#pipelines.delete(pipeline)
  }

  #close(pipeline: PipelineId): void {
    const closed = this.#pipelines.get(pipeline)
    if (closed === undefined || closed.broken) return
    closed.broken = true
    this.#arrivals = this.#arrivals.filter(arrival => arrival.pipeline !== pipeline)
    closed.place.incoming?.close()
    closed.place.outgoing?.close()
    if (this.#running !== closed) closed.stage.clear()
  }

  /** For the first stage of a pipeline. */
  drive(pipeline: PipelineId, input: DriverInput): void {
    const { driver, events, broken } = this.#pipelines.get(pipeline) ?? {}
    if (driver === undefined || events === undefined) return
    const told: Exclude<DriverEffect, { kind: 'run' | 'end' }>[] = []
    for (const effect of stepPipelineDriver(driver, input)) {
      if (effect.kind !== 'run' && effect.kind !== 'end') told.push(effect)
      // What a broken pipeline is asked for waits for the one that replaces it, and then begins again.
      else if (broken !== true) this.#arrivals.push({ pipeline, work: effect.kind === 'run' ? effect.work : effect })
    }
    if (told.length > 0) events.generated(told)
    void this.#runAll()
  }

  #take(pipeline: PipelineId, frame: Uint8Array): void {
    const decoded = decodeStageFrame(frame, this.#options.engine.config.hiddenSize)
    if (decoded.kind === 'malformed') return this.#break(pipeline, `a malformed frame: expected ${decoded.expected}`)
    const { message } = decoded
    const receiver = this.#pipelines.get(pipeline)
    if (receiver === undefined || receiver.broken) return
    const isFirst = receiver.driver !== undefined
    if (isFirst !== (message.kind === 'drawn')) return this.#break(pipeline, `a ${message.kind} frame at the wrong stage`)
    if (message.kind === 'drawn') return this.drive(pipeline, { kind: 'drawn', drawn: message })
    this.#arrivals.push({ pipeline, work: message })
    void this.#runAll()
  }

  async #runAll(): Promise<void> {
    if (this.#running !== undefined) return
    for (let next = this.#arrivals.shift(); next !== undefined; next = this.#arrivals.shift()) {
      const pipeline = this.#pipelines.get(next.pipeline)
      if (pipeline === undefined || pipeline.broken) continue
      this.#running = pipeline
      try {
        await this.#run(pipeline, next.work)
      } catch (error) {
        this.#break(next.pipeline, error instanceof Error ? error.message : String(error))
      }
      this.#running = undefined
      if (pipeline.broken) pipeline.stage.clear()
    }
  }

  async #run({ place, stage }: Pipeline, work: StageWork | EndOfMicroBatch): Promise<void> {
    if (work.kind === 'end') {
      stage.end(work.microBatch)
      if (!this.#options.engine.slice.head) this.#send(place, work)
      return
    }
    const start = performance.now()
    const output = await stage.run(work)
    const rows = work.kind === 'decode' ? work.rows : work.lengths.reduce((total, length) => total + length, 0)
    this.#options.measured({ kind: work.kind, rows, ms: performance.now() - start })
    // A stage that holds the whole model is its own ring.
    if (output.kind === 'drawn' && place.first !== undefined) this.drive(place.pipeline, { kind: 'drawn', drawn: output })
    else this.#send(place, output)
  }

  #send({ pipeline, outgoing, encoding }: PipelinePlace, message: StageMessage): void {
    for (const fragment of fragmentsOf(pipeline, encodeStageFrame(message, encoding))) outgoing?.postMessage(fragment, [fragment.buffer])
  }

  #break(pipeline: PipelineId, reason: string): void {
    const broken = this.#pipelines.get(pipeline)
    if (broken === undefined || broken.broken) return
    this.#close(pipeline)
    broken.events.broken(reason)
  }
}
