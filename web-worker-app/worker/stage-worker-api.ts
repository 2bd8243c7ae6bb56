/** What the page asks of the worker that hosts a slice, over comlink. */
import type { LoraConfig } from '#shared/model/lora.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { DriverEffect, SequenceRequest } from '#shared/pipeline/pipeline-driver.ts'
import type { HiddenEncoding } from '#shared/pipeline/stage-frames.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import type { LayerRange } from '#shared/scheduling/layer-range.ts'
import type { EnginePreferences, LoadAnswer, PolicyTensors } from './rollout-worker-api.ts'
import type { StepMeasured } from './stage-loop.ts'

export interface StageLoadRequest {
  /** `config.json` of the model. */
  readonly model: unknown
  readonly lora: LoraConfig | null
  readonly layers: LayerRange
  /** At least the tensors of the slice. */
  readonly weights: Tensors
  readonly preferences: EnginePreferences
}

export interface PipelinePlace {
  readonly pipeline: PipelineId
  /** From the stage before, or, at the first stage, from the last; a pipeline of one stage has none. Fragments of frames arrive on it. */
  readonly incoming?: MessagePort
  readonly outgoing?: MessagePort
  readonly encoding: HiddenEncoding
  /** At the first stage only. */
  readonly first?: FirstPlace
}

export interface FirstPlace {
  /** To keep going at once. */
  readonly microBatches: number
  /** A pipeline that broke, or shall be left: its sequences go on in this one. */
  readonly replaces?: PipelineId
}

export type Generated = Exclude<DriverEffect, { readonly kind: 'run' | 'end' }>

export interface PipelineEvents {
  /** At the first stage: tokens and endings, in order. */
  generated(events: Generated[]): void
  /** This place is given up: what arrived did not follow from what came before. */
  broken(reason: string): void
}

export interface StageWorkerApi {
  load(request: StageLoadRequest, measured: (step: StepMeasured) => void): Promise<LoadAnswer>
  /** From now on works of this version can be computed. */
  addVersion(version: PolicyVersion, policy: PolicyTensors): void
  dropVersion(version: PolicyVersion): void
  /** Takes a place in a pipeline; a place that it has already is begun anew. */
  join(place: PipelinePlace, events: PipelineEvents): void
  leave(pipeline: PipelineId): void
  /** At the first stage of a pipeline. */
  request(pipeline: PipelineId, requests: readonly SequenceRequest[]): void
  giveUp(pipeline: PipelineId, keys: readonly string[]): void
}
