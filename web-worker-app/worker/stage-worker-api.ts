/**
 * What the page asks of its worker, over comlink. The worker hosts one slice and has at most one place in a pipeline; with
 * the whole model it is a pipeline of one stage. It checks its engine before it takes work and decides nothing else.
 */
import type { Batch } from '#shared/coordination/lease-queue.ts'
import type { FinishedRollout } from '#shared/coordination/volunteer-state.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { MicroBatching } from '#shared/pipeline/micro-batching.ts'
import type { DriverEffect, SequenceRequest } from '#shared/pipeline/pipeline-driver.ts'
import type { HiddenEncoding } from '#shared/pipeline/stage-frames.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import type { PeerStatus } from '#shared/protocol/peer-status.ts'
import type { Heartbeat } from '#shared/protocol/stage-messages.ts'
import type { LayerRange } from '#shared/scheduling/layer-range.ts'
import type { StepMeasured } from './stage-loop.ts'
import type { Throughput, ThroughputRequest } from './throughput.ts'

export type BrowserEngine = NonNullable<PeerStatus['engine']>

export interface EnginePreferences {
  /** Only this engine; otherwise the fastest that works. */
  readonly only?: BrowserEngine
  /** Takes a WebGPU adapter that a CPU emulates: for tests on machines without a GPU. */
  readonly allowSoftwareAdapter: boolean
  /** WASM threads; more than one needs a cross-origin isolated page. */
  readonly threads: number
}

export interface KnownEngine {
  readonly engine: BrowserEngine
  /** Sequences at once with the most token/s. */
  readonly rows: number
}

export interface LoadRequest {
  /** `config.json` of the model. */
  readonly model: unknown
  readonly lora: LoraConfig | null
  /** null: all of them. */
  readonly layers: LayerRange | null
  /** At least the tensors of the slice. */
  readonly weights: Tensors
  readonly preferences: EnginePreferences
  /** Passed its self-test for another slice on this page: no other engine is tried, and neither it nor its rows are tested again. */
  readonly known?: KnownEngine
}

export type LoadAnswer = EngineTried | { /** The server or the network is away: nothing is known of the engines. */ readonly kind: 'files_unreachable'; readonly reason: string }

export type EngineTried =
  | ({ readonly kind: 'ready'; /** What steps cost it. */ readonly steps: readonly StepMeasured[] } & KnownEngine)
  /** One line for each engine that was tried: what it did wrong. */
  | { readonly kind: 'no_engine'; readonly faults: readonly string[] }

/** What a policy version changes. */
export type PolicyTensors =
  | { readonly kind: 'base' }
  | { readonly kind: 'adapter'; readonly tensors: Tensors }
  | { readonly kind: 'weights'; readonly tensors: Tensors }

export interface PipelinePlace {
  readonly pipeline: PipelineId
  /** From the stage before, or, at the first stage, from the last; a pipeline of one stage has none. Fragments of frames arrive on it. */
  readonly incoming?: MessagePort
  readonly outgoing?: MessagePort
  readonly encoding: HiddenEncoding
  /** Most sequences in one micro-batch; as many as this stage has room for unless another one has less. */
  readonly rows?: number
  /** How the first stage cuts its sequences; one micro-batch unless given. */
  readonly batching?: MicroBatching
}

export type Generated = Exclude<DriverEffect, { readonly kind: 'run' | 'end' }>

export interface WorkerEvents {
  /** Of a batch of leased samples, some at a time. */
  finished(batch: number, rollouts: FinishedRollout[]): void
  ended(batch: number): void
  /** Tokens and endings of what was requested, in order, and the pipeline that they come from. Settles when the page has taken them. */
  generated(pipeline: PipelineId, events: Generated[]): void | Promise<void>
  /** The place is given up: what arrived did not follow from what came before. */
  broken(pipeline: PipelineId, reason: string): void
  /** The worker is alive, and whether it computes or is about to; what it has computed since it said so last. */
  beat(heartbeat: Heartbeat, computing: boolean, steps: StepMeasured[]): void
  /** The engine threw: this worker is of no more use. */
  crashed(reason: string): void
}

export interface StageWorkerApi {
  /** Once the slice that it had, if any, is unloaded. */
  load(request: LoadRequest, events: WorkerEvents): Promise<LoadAnswer>
  /** Gives up everything but the engine's own files, and says nothing more of it. */
  unload(): Promise<void>
  /** From now on works of this version can be computed; those that came before it have waited for it. */
  addVersion(version: PolicyVersion, policy: PolicyTensors): void
  /** Its leased samples are given up; its tensors stay until what was requested is finished. */
  dropVersion(version: PolicyVersion): void
  /** Takes a place instead of the one that it has. A first stage begins its sequences again there, with the tokens that they have. */
  join(place: PipelinePlace): void
  /** Other costs were measured: the first stage cuts its sequences by them from now on. */
  tune(pipeline: PipelineId, batching: MicroBatching): void
  /** A first stage keeps its sequences for the next place. */
  leave(pipeline: PipelineId): void
  /** Leased samples, and what somebody waits for: at a first stage, with or without a place. */
  generate(batch: Batch): void
  request(requests: readonly SequenceRequest[]): void
  giveUp(keys: readonly string[]): void
  /** Stands still after the current work, and says nothing. */
  hold(): void
  release(): void
  /** Gives up all batches of leased samples. */
  abandon(): void
  /** With the whole model, only while it has nothing to do. */
  measure(version: PolicyVersion, request: ThroughputRequest): Promise<Throughput>
}
