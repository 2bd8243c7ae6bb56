/** What the page asks of the rollout worker, over comlink. The worker checks its engine before it takes work and decides nothing else. */
import type { Batch } from '#shared/coordination/lease-queue.ts'
import type { FinishedRollout } from '#shared/coordination/volunteer-state.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { PeerStatus } from '#shared/protocol/peer-status.ts'
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

export interface LoadRequest {
  /** `config.json` of the model. */
  readonly model: unknown
  readonly lora: LoraConfig | null
  readonly weights: Tensors
  readonly preferences: EnginePreferences
}

export type LoadAnswer =
  | { readonly kind: 'ready'; readonly engine: BrowserEngine; /** Sequences at once with the most token/s. */ readonly rows: number; readonly measured: readonly Throughput[] }
  /** One line for each engine that was tried: what it did wrong. */
  | { readonly kind: 'no_engine'; readonly faults: readonly string[] }

/** The policy version to sample with. */
export type PolicyTensors =
  | { readonly kind: 'base' }
  | { readonly kind: 'adapter'; readonly tensors: Tensors }
  | { readonly kind: 'weights'; readonly tensors: Tensors }

export interface WorkerEvents {
  finished(batch: number, rollouts: FinishedRollout[]): void
  ended(batch: number): void
  /** The engine threw: this worker is of no more use. */
  crashed(reason: string): void
}

export interface RolloutWorkerApi {
  load(request: LoadRequest, events: WorkerEvents): Promise<LoadAnswer>
  /** Only while no batch runs. */
  usePolicy(policy: PolicyTensors): Promise<void>
  generate(batch: Batch): Promise<void>
  /** Stands still after the current step. */
  hold(): void
  release(): void
  abandon(): Promise<void>
  /** Only while no batch runs. */
  measure(request: ThroughputRequest): Promise<Throughput>
}
