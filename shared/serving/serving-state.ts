/** What is known of a run's hosts, pipelines and requests. Plain data, changed in place by `stepServing`. */
import { elementCount } from '../model/tensor.ts'
import type { DecoderConfig } from '../model/config.ts'
import { sliceTensors } from '../model/tensor-names.ts'
import type { Ring } from '../pipeline/micro-batching.ts'
import type { PipelineId } from '../pipeline/stage-work.ts'
import type { PeerId, PolicyVersion } from '../protocol/identifiers.ts'
import type { LayerCoverage, ServedRequest } from '../protocol/layer-coverage.ts'
import type { ProfileReport } from '../protocol/profile-report.ts'
import type { v } from '../protocol/schema.ts'
import type { Heartbeat, MemoryOffer, SequenceRequested, SliceReady, STAGE_HEARS, STAGE_TELLS } from '../protocol/stage-messages.ts'
import { EMPTY_PLAN, type LayerPlan, type Pipeline } from '../scheduling/layer-plan.ts'
import type { LayerRange } from '../scheduling/layer-range.ts'
import { createLinkMap, type LinkMap } from '../scheduling/link-map.ts'
import type { MissingLayers } from '../scheduling/missing-layers.ts'
import { modelShape, type ModelShape, type SliceUse } from '../scheduling/model-shape.ts'
import { createSparing, type PipelineSparing } from './pipeline-sparing.ts'

/** What one person asked for; `key` is unique among requests that have not ended. */
export type PersonsRequest = Omit<SequenceRequested, 'drawn'>

/** Messages of tabs that are passed on as they are. */
export type StageTold = {
  [Event in StageEvent]: { readonly kind: Event; readonly peer: PeerId; readonly message: v.InferOutput<(typeof STAGE_TELLS)[Event]> }
}[StageEvent]
type StageEvent = Exclude<keyof typeof STAGE_TELLS, 'version_dropped' | 'stage_fragment'>

export type ServingInput =
  /** `held`: what it still has loaded from before, if anything. */
  | { readonly kind: 'peer_joined'; readonly peer: PeerId; readonly memory: MemoryOffer; readonly held: LayerRange | null }
  | { readonly kind: 'peer_left'; readonly peer: PeerId }
  | StageTold
  | { readonly kind: 'version_held' | 'version_dropped'; readonly peer: PeerId; readonly version: PolicyVersion }
  /** Nobody holds it any more: it was replaced, or its run went back. */
  | { readonly kind: 'version_withdrawn'; readonly version: PolicyVersion }
  | { readonly kind: 'link_lost'; readonly a: PeerId; readonly b: PeerId }
  | { readonly kind: 'request_opened'; readonly request: PersonsRequest }
  /** The client went away. */
  | { readonly kind: 'request_closed'; readonly key: string }
  /** Asked for by `wake_at`. */
  | { readonly kind: 'wake' }

/**
 * `too_many_requests`: too many wait already.
 * `layers_missing`: no pipeline can be made of those who are here.
 * `stale_version`: the layers are held, the version is not.
 * `interrupted`: too many pipelines broke under it, or the last one went on without it.
 */
export const SEQUENCE_REFUSALS = ['too_many_requests', 'layers_missing', 'stale_version', 'interrupted'] as const

export type SequenceEvent =
  /** New ones, with their natural log-probs at temperature 1. */
  | { readonly kind: 'tokens'; readonly tokens: readonly number[]; readonly logProbs: readonly number[] }
  | { readonly kind: 'finished'; readonly finish: 'stop' | 'length' }
  | { readonly kind: 'refused'; readonly code: (typeof SEQUENCE_REFUSALS)[number]; readonly missing: readonly MissingLayers[] }

type Tell = {
  [Event in keyof typeof STAGE_HEARS]: { readonly kind: 'tell'; readonly peer: PeerId; readonly event: Event; readonly payload: v.InferOutput<(typeof STAGE_HEARS)[Event]> }
}[keyof typeof STAGE_HEARS]

export type ServingEffect =
  | Tell
  /** The two shall be introduced to each other unless they are. */
  | { readonly kind: 'link'; readonly a: PeerId; readonly b: PeerId }
  /** The last of a request is `finished` or `refused`. */
  | { readonly kind: 'sequence_event'; readonly key: string; readonly event: SequenceEvent }
  /** Give the input `wake` then. Replaces the former wish. */
  | { readonly kind: 'wake_at'; readonly time: number }

export interface ServedModel {
  readonly shape: ModelShape
  /** Of one token's hidden state on the wire. */
  readonly hiddenBytes: number
  readonly largestTensorBytes: number
  /** Sequences for which a slice has memory. */
  readonly rows: number
  /** Tokens of keys and values for which every row has memory: prompt and answer together. */
  readonly contextTokens: number
}

export interface Host {
  readonly peer: PeerId
  readonly memory: MemoryOffer
  /** The last `slice_assigned`; undefined before the first. */
  assigned: LayerRange | null | undefined
  /** What it said that it had loaded, when it joined or was ready last. */
  loaded: LayerRange | null
  /** Undefined while it has not loaded what is assigned. */
  ready: SliceReady | undefined
  readonly versions: Set<PolicyVersion>
  profile: ProfileReport | undefined
  readonly liveness: Liveness
}

export type LateCause = 'silent' | 'slow' | 'fault'

export interface Liveness {
  heardAt: number
  heartbeat: Heartbeat
  /** While set, the peer is no part of the plan. */
  late: { readonly cause: LateCause; inTimeSince: number } | undefined
  /** How often it was late lately, and when last. */
  lapses: number
  lapsedAt: number
  /** Pipelines that it gave up lately, and when last. */
  faults: number
  faultedAt: number
}

/** A pipeline of the plan whose stages were told their places. */
export interface ServingPipeline {
  readonly id: PipelineId
  readonly stages: Pipeline
  /** Places whose frames to the next one go through the server. */
  readonly relayed: readonly number[]
  readonly openBy: number
  /** People's sequences that it serves at once, at most. */
  readonly rows: number
  readonly taken: Set<PeerId>
  /** Versions of the last `pipeline_open`; undefined while it is opening. */
  versions: readonly PolicyVersion[] | undefined
  /** Of the last `pipeline_open`. */
  ring: Ring | undefined
  /** Keys of the requests that it serves. */
  readonly sequences: Set<string>
}

export interface Sequence {
  readonly request: PersonsRequest
  /** Grows with every request. */
  readonly order: number
  readonly openedAt: number
  readonly tokens: number[]
  readonly logProbs: number[]
  firstTokenAt: number | undefined
  /** The only one whose tokens count; undefined while it waits. */
  pipeline: PipelineId | undefined
  /** When it was given to the pipeline, or got its last token. */
  progressedAt: number
  /** Since when no open pipeline has its version; undefined while one has, or serves it. */
  unservableSince: number | undefined
  readonly chains: ServedRequest['chains'][number][]
}

export interface PipelineBreak {
  readonly report: LayerCoverage['breaks'][number]
  readonly decidedAt: number
  /** Keys of the sequences that it interrupted and that still wait. */
  readonly waiting: Set<string>
}

export interface ServingState {
  readonly model: ServedModel
  readonly hosts: Map<PeerId, Host>
  /** Of all hosts that are not late. */
  plan: LayerPlan
  /** Peers came or went since a fresh allocation was last weighed. */
  planUnweighed: boolean
  /** When somebody was last seen at work, came or went. */
  busyAt: number
  readonly links: LinkMap
  readonly pipelines: Map<PipelineId, ServingPipeline>
  nextPipeline: PipelineId
  readonly sparing: PipelineSparing
  /** Requests that have not ended, by key. */
  readonly sequences: Map<string, Sequence>
  nextSequence: number
  /** Newest first. */
  ended: ServedRequest[]
  /** Newest first. */
  breaks: PipelineBreak[]
  wakeAt: number | undefined
}

/** Hidden states travel as float32. */
const BYTES_PER_ELEMENT = 4

/**
 * @param use what every stage has memory for, and the adapter that the run trains
 * @param firstPipeline names the first pipeline; tabs may remember names that a server gave before it was restarted
 */
export function createServing(config: DecoderConfig, use: SliceUse, firstPipeline: PipelineId = 1): ServingState {
  const largest = Math.max(...sliceTensors(config).map(({ shape }) => elementCount(shape)))
  return {
    model: { shape: modelShape(config, use), hiddenBytes: config.hiddenSize * BYTES_PER_ELEMENT, largestTensorBytes: largest * BYTES_PER_ELEMENT, rows: use.rows, contextTokens: use.contextTokens },
    hosts: new Map(),
    plan: EMPTY_PLAN,
    planUnweighed: false,
    busyAt: 0,
    links: createLinkMap(),
    pipelines: new Map(),
    nextPipeline: firstPipeline,
    sparing: createSparing(),
    sequences: new Map(),
    nextSequence: 0,
    ended: [],
    breaks: [],
    wakeAt: undefined
  }
}
