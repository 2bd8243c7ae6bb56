/** Stages of one model in one process, joined by queues of encoded frames that a seeded rng serves in any order that links allow. */
import type { Uniform } from '../engine/batch-generator.ts'
import type { SliceEngine } from '../engine/slice-engine.ts'
import { createPipelineDriver, pendingSequences, stepPipelineDriver, type DriverEffect, type DriverInput, type PipelineDriver } from '../pipeline/pipeline-driver.ts'
import { decodeStageFrame, encodeStageFrame, type HiddenEncoding } from '../pipeline/stage-frames.ts'
import type { EndOfMicroBatch, StageMessage, StageWork } from '../pipeline/stage-work.ts'
import { Stage } from '../pipeline/stage.ts'
import type { MicroBatching } from '../pipeline/micro-batching.ts'
import type { Rng } from '../random/rng.ts'

export interface LoopbackOptions {
  readonly engines: readonly SliceEngine[]
  readonly uniform: Uniform
  readonly maxRows: number
  readonly batching: MicroBatching
  readonly rng: Rng
  readonly encoding?: HiddenEncoding
  readonly useVersion?: (engine: SliceEngine, version: number) => Promise<void>
}

export type Finished = Extract<DriverEffect, { kind: 'finished' }>

export class LoopbackPipeline {
  readonly driver: PipelineDriver
  readonly finished = new Map<string, Finished>()
  readonly streamed = new Map<string, number[]>()
  readonly #options: LoopbackOptions
  readonly #stages: readonly Stage[]
  /** What has arrived at each stage and is not computed. */
  readonly #inboxes: (StageWork | EndOfMicroBatch)[][]

  constructor(options: LoopbackOptions) {
    const { engines, uniform, maxRows } = options
    this.#options = options
    this.#stages = engines.map(engine => new Stage({ engine, uniform, maxRows, useVersion: version => options.useVersion?.(engine, version) ?? Promise.resolve() }))
    this.#inboxes = engines.map(() => [])
    this.driver = createPipelineDriver({ eosTokenIds: engines[0]!.config.eosTokenIds, maxRows }, options.batching)
  }

  get pending(): number {
    return pendingSequences(this.driver)
  }

  /** Sequences whose keys and values some stage still has. */
  get held(): number {
    return this.#stages.reduce((total, stage) => total + stage.sequences, 0)
  }

  input(input: DriverInput): void {
    for (const effect of stepPipelineDriver(this.driver, input)) this.#carryOut(effect)
  }

  /** The links break: what was under way is gone, and every stage forgets. */
  breakDown(): void {
    for (const inbox of this.#inboxes) inbox.length = 0
    for (const stage of this.#stages) stage.clear()
    this.input({ kind: 'pipeline_lost' })
  }

  /** Lets one stage that has something compute. @returns false when none has */
  async turn(): Promise<boolean> {
    const ready = [...this.#inboxes.keys()].filter(index => this.#inboxes[index]!.length > 0)
    if (ready.length === 0) return false
    const index = ready[this.#options.rng.below(ready.length)]!
    const arrival = this.#inboxes[index]!.shift()!
    if (arrival.kind === 'end') {
      this.#stages[index]!.end(arrival.microBatch)
      if (index + 1 < this.#stages.length) this.#deliver(arrival, index + 1)
    } else {
      this.#deliver(await this.#stages[index]!.run(arrival), index + 1)
    }
    return true
  }

  #deliver(sent: StageMessage, to: number): void {
    const decoded = decodeStageFrame(encodeStageFrame(sent, this.#options.encoding ?? 'f32'), this.#options.engines[0]!.config.hiddenSize)
    if (decoded.kind === 'malformed') throw new Error(`a stage sent ${sent.kind}: expected ${decoded.expected}`)
    if (decoded.message.kind === 'drawn') this.input({ kind: 'drawn', drawn: decoded.message })
    else this.#inboxes[to]!.push(decoded.message)
  }

  #carryOut(effect: DriverEffect): void {
    if (effect.kind === 'run') this.#inboxes[0]!.push(effect.work)
    else if (effect.kind === 'end') this.#inboxes[0]!.push(effect)
    else if (effect.kind === 'token') this.streamed.set(effect.key, [...(this.streamed.get(effect.key) ?? []), effect.token])
    else this.finished.set(effect.key, effect)
  }
}
