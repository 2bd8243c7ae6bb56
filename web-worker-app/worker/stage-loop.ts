import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { assemble, createFrameAssembly, fragmentsOf } from '#shared/pipeline/frame-fragments.ts'
import type { MicroBatching } from '#shared/pipeline/micro-batching.ts'
import { createPipelineDriver, keysOfVersion, stepPipelineDriver, type DriverInput, type PipelineDriver } from '#shared/pipeline/pipeline-driver.ts'
import { decodeStageFrame, encodeStageFrame } from '#shared/pipeline/stage-frames.ts'
import type { EndOfMicroBatch, PipelineId, StageMessage, StageWork } from '#shared/pipeline/stage-work.ts'
import { Stage, StageFault } from '#shared/pipeline/stage.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import type { Heartbeat } from '#shared/protocol/stage-messages.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'
import { MessageTurns } from './message-turns.ts'
import type { Generated, PipelinePlace } from './stage-worker-api.ts'

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
  /** @param pipeline undefined while there is no place */
  readonly generated: (events: readonly Generated[], pipeline: PipelineId | undefined) => void
  readonly broken: (pipeline: PipelineId, reason: string) => void
  readonly crashed: (error: unknown) => void
  readonly measured: (step: StepMeasured) => void
  /** Before every work, which may keep the thread for long, and after it. */
  readonly begins: (work: StageWork) => void
  readonly ended: () => void
}

interface TakenPlace {
  readonly place: PipelinePlace
  readonly stage: Stage
  closed: boolean
}

/**
 * The stage of one worker: one engine, and works in the order of their arrival. A pipeline is a ring of channels; what one
 * stage sends, the next receives, and the first receives what the last drew. With the whole model it is its own ring.
 */
export class StageLoop {
  readonly #options: StageLoopOptions
  /** Of the first stage only. It outlives its pipelines: the next one takes its sequences over. */
  readonly #driver: PipelineDriver | undefined
  readonly #turns = new MessageTurns()
  #taken: TakenPlace | undefined
  #arrivals: (StageWork | EndOfMicroBatch)[] = []
  /** Works that this first stage sent round and that have not come back, oldest first. */
  #underWay: { readonly microBatch: number; readonly step: number; readonly since: number }[] = []
  #going = false
  #whenIdle: (() => void) | undefined
  #computing: { readonly taken: TakenPlace; readonly since: number } | undefined
  #held: { readonly until: Promise<void>; readonly release: () => void } | undefined

  constructor(options: StageLoopOptions) {
    this.#options = options
    const { engine, maxRows } = options
    this.#driver = engine.slice.embed ? createPipelineDriver({ eosTokenIds: engine.config.eosTokenIds, maxRows }, 1) : undefined
  }

  join(place: PipelinePlace): void {
    this.#close()
    const { engine, maxRows, useVersion } = this.#options
    const taken: TakenPlace = { place, stage: new Stage({ engine, uniform, maxRows, useVersion }), closed: false }
    this.#taken = taken
    const assembly = createFrameAssembly()
    place.incoming?.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (taken.closed) return
      if (!(data instanceof Uint8Array)) return this.#break(taken, 'a message that is not binary')
      const arrived = assemble(assembly, data)
      if (arrived.kind === 'refused') this.#break(taken, `a ${arrived.code} fragment`)
      else if (arrived.kind === 'frame') this.#take(taken, arrived.frame)
    })
    place.incoming?.start()
    if (this.#driver !== undefined) {
      this.#driver.batching = place.batching ?? 1
      this.#driver.config = { ...this.#driver.config, maxRows: Math.min(maxRows, place.rows ?? maxRows) }
    }
    this.drive({ kind: 'pipeline_lost' })
  }

  tune(pipeline: PipelineId, batching: MicroBatching): void {
    if (this.#driver !== undefined && this.#taken?.place.pipeline === pipeline) this.#driver.batching = batching
  }

  /** A first stage keeps its sequences for the next place. */
  leave(pipeline: PipelineId): void {
    if (this.#taken?.place.pipeline === pipeline) this.#close()
  }

  /** What the first stage is asked for without a place waits for the next, and then begins again. */
  drive(input: DriverInput): void {
    if (this.#driver === undefined) return
    const told: Generated[] = []
    for (const effect of stepPipelineDriver(this.#driver, input)) {
      if (effect.kind !== 'run' && effect.kind !== 'end') told.push(effect)
      else if (this.#taken !== undefined) this.#arrivals.push(effect.kind === 'run' ? this.#sendRound(effect.work) : effect)
    }
    if (told.length > 0) this.#options.generated(told, this.#taken?.place.pipeline)
    void this.#runAll()
  }

  giveUpVersion(version: PolicyVersion): void {
    if (this.#driver !== undefined) this.drive({ kind: 'given_up', keys: keysOfVersion(this.#driver, version) })
  }

  /** Whether sequences, keys and values, or works of this version are here. */
  uses(version: PolicyVersion): boolean {
    if (this.#driver !== undefined && keysOfVersion(this.#driver, version).length > 0) return true
    return this.#taken?.stage.versions.has(version) === true || this.#arrivals.some(work => work.kind !== 'end' && work.version === version)
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

  /** Gives up its place and all sequences. @returns when the engine is at nothing any more */
  async end(): Promise<void> {
    this.#close()
    this.release()
    if (this.#going) await new Promise<void>(resolve => (this.#whenIdle = resolve))
  }

  /** undefined while held: who stands still shall be taken for absent. */
  get heartbeat(): Heartbeat | undefined {
    if (this.#held !== undefined) return undefined
    const now = performance.now()
    return { workMs: now - (this.#computing?.since ?? now), roundMs: now - (this.#underWay[0]?.since ?? now) }
  }

  /** A work is being computed or waits to be. */
  get computing(): boolean {
    return this.#computing !== undefined || this.#arrivals.length > 0
  }

  #sendRound(work: StageWork): StageWork {
    this.#underWay.push({ microBatch: work.microBatch, step: work.step, since: performance.now() })
    return work
  }

  #take(taken: TakenPlace, frame: Uint8Array): void {
    const decoded = decodeStageFrame(frame, this.#options.engine.config.hiddenSize)
    if (decoded.kind === 'malformed') return this.#break(taken, `a malformed frame: expected ${decoded.expected}`)
    const { message } = decoded
    if ((this.#driver !== undefined) !== (message.kind === 'drawn')) return this.#break(taken, `a ${message.kind} frame at the wrong stage`)
    if (message.kind === 'drawn') return this.#takeDrawn(message)
    this.#arrivals.push(message)
    void this.#runAll()
  }

  #takeDrawn(drawn: Extract<StageMessage, { kind: 'drawn' }>): void {
    this.#underWay = this.#underWay.filter(({ microBatch, step }) => microBatch !== drawn.microBatch || step !== drawn.step)
    this.drive({ kind: 'drawn', drawn })
  }

  async #runAll(): Promise<void> {
    if (this.#going) return
    this.#going = true
    for (;;) {
      while (this.#held !== undefined) await this.#held.until
      const work = this.#arrivals.shift()
      const taken = this.#taken
      if (work === undefined || taken === undefined) break
      this.#computing = { taken, since: performance.now() }
      if (work.kind !== 'end') this.#options.begins(work)
      try {
        await this.#run(taken, work)
      } catch (error) {
        // A new worker begins where this one ends.
        if (!(error instanceof StageFault)) return this.#options.crashed(error)
        this.#break(taken, error.message)
      }
      this.#computing = undefined
      if (taken.closed) taken.stage.clear()
      this.#options.ended()
      await this.#turns.next()
    }
    this.#going = false
    this.#whenIdle?.()
  }

  async #run(taken: TakenPlace, work: StageWork | EndOfMicroBatch): Promise<void> {
    const { place, stage } = taken
    if (work.kind === 'end') {
      stage.end(work.microBatch)
      if (!this.#options.engine.slice.head) send(place, work)
      return
    }
    const start = performance.now()
    const output = await stage.run(work)
    this.#options.measured({ kind: work.kind, rows: rowsOf(work), ms: performance.now() - start })
    if (taken.closed) return
    if (output.kind === 'drawn' && this.#driver !== undefined) this.#takeDrawn(output)
    else send(place, output)
  }

  #break(taken: TakenPlace, reason: string): void {
    if (taken.closed) return
    this.#close()
    this.#options.broken(taken.place.pipeline, reason)
  }

  #close(): void {
    const taken = this.#taken
    if (taken === undefined) return
    taken.closed = true
    this.#taken = undefined
    this.#arrivals = []
    this.#underWay = []
    taken.place.incoming?.close()
    taken.place.outgoing?.close()
    // The engine may be at it; then it is cleared when that work ends.
    if (this.#computing?.taken !== taken) taken.stage.clear()
  }
}

/** What a work's cost is counted by: sequences in decode, tokens of all prompts together in prefill. */
export function rowsOf(work: StageWork): number {
  return work.kind === 'decode' ? work.rows : work.lengths.reduce((total, length) => total + length, 0)
}

function send({ pipeline, outgoing, encoding }: PipelinePlace, message: StageMessage): void {
  for (const fragment of fragmentsOf(pipeline, encodeStageFrame(message, encoding))) outgoing?.postMessage(fragment, [fragment.buffer])
}
