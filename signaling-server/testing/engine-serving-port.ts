/** A pipeline of one stage in this process, for tests of the API: the shipped model on onnxruntime, behind the swarm's driver and stage. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { readModelDirectory } from '#shared/model/model-directory.ts'
import { randomAdapter } from '#shared/model/random-weights.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import { createPipelineDriver, stepPipelineDriver, type DriverEffect, type DriverInput, type PipelineDriver } from '#shared/pipeline/pipeline-driver.ts'
import type { StageWork } from '#shared/pipeline/stage-work.ts'
import { Stage } from '#shared/pipeline/stage.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'
import type { SequenceListener, SequenceToServe, ServedRun, ServingPort, ServingRefusal } from '../serving-port.ts'

const MODEL = join(import.meta.dirname, '../../public/models/murmuration-tiny')
const LORA: LoraConfig = { rank: 4, alpha: 64, targets: ['q_proj', 'v_proj'] }
/** Version 0 is the shipped model; the other one has a random adapter. */
export const VERSIONS = [0, 7] as const
export const ENGINE_RUN = 'arithmetic-test'
const MAX_ROWS = 64

export interface EnginePortOptions {
  /** Sequences go on to their last token, whatever they say. */
  readonly endless?: boolean
  /** Most sequences at once; more are refused. */
  readonly most?: number
}

export class EngineServingPort implements ServingPort {
  readonly run: ServedRun
  /** Every sequence is refused with this. */
  refusal: ServingRefusal | undefined
  /** Works that are computed before everything stands still. */
  #worksAllowed = Infinity
  readonly #engine: SliceEngine
  readonly #stage: Stage
  readonly #driver: PipelineDriver
  readonly #most: number
  readonly #listeners = new Map<string, SequenceListener>()
  readonly #works: StageWork[] = []
  #computing = false
  #watch: () => void = () => undefined

  static async start({ endless = false, most = 1_000 }: EnginePortOptions = {}): Promise<EngineServingPort> {
    const model = await readModelDirectory(file => readFile(join(MODEL, file)))
    const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config: model.config, weights: model.weights, lora: LORA, sessionOptions: cpuSessionOptions('cpu', 1) })
    const tokenizer = await readFile(join(MODEL, 'tokenizer.json'), 'utf8')
    const eosTokenIds = endless ? [] : model.config.eosTokenIds
    const run: ServedRun = { run: ENGINE_RUN, versions: VERSIONS, newest: VERSIONS[1], config: { ...model.config, eosTokenIds }, tokenizer, created: 1_790_000_000 }
    return new EngineServingPort(engine, run, most, randomAdapter(model.config, LORA, 'api'))
  }

  private constructor(engine: SliceEngine, run: ServedRun, most: number, adapter: Tensors) {
    this.run = run
    this.#engine = engine
    this.#most = most
    let current = 0
    const useVersion = async (version: number): Promise<void> => {
      if (version !== current) await engine.setAdapter(version === 0 ? undefined : adapter)
      current = version
    }
    this.#stage = new Stage({ engine, uniform, maxRows: MAX_ROWS, useVersion })
    this.#driver = createPipelineDriver({ eosTokenIds: run.config.eosTokenIds, maxRows: MAX_ROWS }, 1)
  }

  runs(): readonly ServedRun[] {
    return [this.run]
  }

  /** Sequences that were opened and neither ended nor were closed. */
  get sequences(): number {
    return this.#listeners.size
  }

  /** Sequences whose keys and values are kept. */
  get rows(): number {
    return this.#stage.sequences
  }

  /** Resolves as soon as so many sequences are open. */
  async untilSequences(count: number): Promise<void> {
    while (this.#listeners.size !== count) await new Promise<void>(resolve => (this.#watch = resolve))
  }

  /** What a pipeline does that breaks and is not mended. */
  breakDown(refusal: ServingRefusal): void {
    const listeners = [...this.#listeners]
    for (const [key, listener] of listeners) {
      this.#forget(key)
      listener.refused(refusal)
    }
  }

  /** Stands still, at once or after so many works (a prefill, or one token for everybody). */
  hold(afterWorks = 0): void {
    this.#worksAllowed = afterWorks
  }

  goOn(): void {
    this.#worksAllowed = Infinity
    void this.#compute()
  }

  release(): Promise<void> {
    return this.#engine.release()
  }

  open({ key, ...sequence }: SequenceToServe, listener: SequenceListener): { close(): void } {
    const refusal = this.refusal ?? (this.#listeners.size >= this.#most ? { code: 'too_many_requests' as const, missing: [] } : undefined)
    if (refusal !== undefined) {
      listener.refused(refusal)
      return { close: () => undefined }
    }
    this.#listeners.set(key, listener)
    this.#watch()
    this.#input({ kind: 'requested', requests: [{ key, ...sequence, drawn: { tokens: [], logProbs: [] }, interactive: true }] })
    return { close: () => this.#forget(key) }
  }

  #forget(key: string): void {
    if (!this.#listeners.delete(key)) return
    this.#input({ kind: 'given_up', keys: [key] })
    this.#watch()
  }

  #input(input: DriverInput): void {
    for (const effect of stepPipelineDriver(this.#driver, input)) this.#carryOut(effect)
    void this.#compute()
  }

  #carryOut(effect: DriverEffect): void {
    switch (effect.kind) {
      case 'run':
        this.#works.push(effect.work)
        return
      case 'end':
        this.#stage.end(effect.microBatch)
        return
      case 'token':
        this.#listeners.get(effect.key)?.tokens([effect.token], [effect.logProb])
        return
      case 'finished': {
        const listener = this.#listeners.get(effect.key)
        this.#listeners.delete(effect.key)
        listener?.finished(effect.finish)
        this.#watch()
      }
    }
  }

  async #compute(): Promise<void> {
    if (this.#computing) return
    this.#computing = true
    for (let work = this.#next(); work !== undefined; work = this.#next()) {
      const output = await this.#stage.run(work)
      if (output.kind === 'drawn') for (const effect of stepPipelineDriver(this.#driver, { kind: 'drawn', drawn: output })) this.#carryOut(effect)
    }
    this.#computing = false
  }

  #next(): StageWork | undefined {
    if (this.#worksAllowed === 0) return undefined
    const work = this.#works.shift()
    if (work !== undefined) this.#worksAllowed--
    return work
  }
}
