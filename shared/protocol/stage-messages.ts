/**
 * Between a page and the signaling server, about layers: who shall hold which, who has which place in which pipeline, and
 * what pipelines are asked to generate. Hidden states never come this way unless two neighbours cannot be linked.
 */
import { contentHash, count, finite, peerId, policyVersion, rolloutSeed, tokenId } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { ENGINE_KINDS } from './peer-status.ts'
import { layerCost, profileReport } from './profile-report.ts'
import { v } from './schema.ts'

const layerIndex = v.pipe(count, v.maxValue(LIMITS.layers))

/** [start, end), not empty. */
export const layerRange = v.pipe(v.strictObject({ start: layerIndex, end: layerIndex }), v.check(({ start, end }) => start < end, 'a range of at least one layer'))

/** Names a pipeline among those of a signaling server. */
export const pipelineId = v.pipe(count, v.maxValue(0xffff_ffff))
/** Names a sequence among those that are not finished; chosen by whoever asks for it. */
export const sequenceKey = v.pipe(v.string(), v.minLength(1), v.maxLength(200))

export const HIDDEN_ENCODINGS = ['f32', 'f16'] as const

/** What a tab offers when it joins: bytes for weights, adapters, keys and values. */
export const memoryOffer = v.strictObject({ memoryBytes: count, largestTensorBytes: count })
export type MemoryOffer = v.InferOutput<typeof memoryOffer>

/** Of tokens: as many log-probs (natural, temperature 1). */
const drawnTokens = v.pipe(
  v.strictObject({ tokens: v.pipe(v.array(tokenId), v.maxLength(LIMITS.tokensPerRollout)), logProbs: v.pipe(v.array(finite), v.maxLength(LIMITS.tokensPerRollout)) }),
  v.check(({ tokens, logProbs }) => tokens.length === logProbs.length, 'one log-prob for each token')
)

/** Told, page → server. */

/** The slice is loaded and its engine is tested: the tab can take a place. Again after every change of its slice. */
export const sliceReady = v.strictObject({ layers: layerRange, engine: v.picklist(ENGINE_KINDS), rows: v.pipe(count, v.minValue(1), v.maxValue(LIMITS.rowsPerMicroBatch)) })
export type SliceReady = v.InferOutput<typeof sliceReady>

/** The tab keeps the version's tensors no longer. The opposite of `version_held`. */
export const versionDropped = v.strictObject({ version: policyVersion, manifestHash: contentHash })
export type VersionDropped = v.InferOutput<typeof versionDropped>

/** From the worker that computes, several times a second, passed on by the page: both are alive. While a long work keeps the worker's thread, the page counts on for it. */
export const heartbeat = v.strictObject({
  /** How long the work that is being computed has taken so far, in milliseconds; 0 when idle. */
  workMs: v.pipe(finite, v.minValue(0)),
  /** At a first stage, how long the oldest work has been on its way round the pipeline; 0 without one. */
  roundMs: v.pipe(finite, v.minValue(0))
})
export type Heartbeat = v.InferOutput<typeof heartbeat>

/** The place is taken and the links to both neighbours are open. */
export const placeTaken = v.strictObject({ pipeline: pipelineId })

/** The tab has given its place up. A link that could not be made is told by `link_lost`. */
export const pipelineBroken = v.strictObject({ pipeline: pipelineId, reason: v.pipe(v.string(), v.maxLength(300)) })

export const FINISH_REASONS = ['stop', 'length'] as const
/** Of sequences that were requested with `sequences_requested`, in order: new tokens, and the end. */
export const sequencesGenerated = v.strictObject({
  pipeline: pipelineId,
  sequences: v.pipe(v.array(v.strictObject({ key: sequenceKey, ...drawnTokens.pipe[0].entries, finish: v.nullable(v.picklist(FINISH_REASONS)) })), v.maxLength(LIMITS.rowsPerMicroBatch * 4))
})
export type SequencesGenerated = v.InferOutput<typeof sequencesGenerated>

/** Of a stage frame, as it goes over a link. */
const fragment = v.pipe(v.union([v.instance(Uint8Array), v.instance(ArrayBuffer)]), v.check(({ byteLength }) => byteLength <= LIMITS.stageFragmentBytes, 'a fragment of a stage frame'))
/** For the next stage, where the path to it is `relay`. */
export const stageFragmentSent = v.strictObject({ pipeline: pipelineId, fragment })

/** Told, server → page. */

/** From the stage before. */
export const stageFragmentReceived = v.strictObject({ fragment })

/** Hold these layers; null: nothing for now, because nothing that is needed fits. */
export const sliceAssigned = v.strictObject({ layers: v.nullable(layerRange) })
export type SliceAssigned = v.InferOutput<typeof sliceAssigned>

const neighbour = v.strictObject({
  peer: peerId,
  /** `relay`: no link can be made, the signaling server passes the frames on. */
  path: v.picklist(['link', 'relay'])
})

/** Replaces whatever place the tab had; the sequences of a first stage go on in the new pipeline. */
export const placeAssigned = v.strictObject({
  pipeline: pipelineId,
  /** 0 is the first stage. */
  stage: count,
  stages: v.pipe(count, v.minValue(1)),
  /** The stage before and, at the first, the last; null in a pipeline of one stage. */
  previous: v.nullable(neighbour),
  next: v.nullable(neighbour),
  encoding: v.picklist(HIDDEN_ENCODINGS),
  /** Most sequences in one micro-batch: what every stage has room for. */
  rows: v.pipe(count, v.minValue(1), v.maxValue(LIMITS.rowsPerMicroBatch))
})
export type PlaceAssigned = v.InferOutput<typeof placeAssigned>

/** What a decode step costs every stage, in milliseconds, and how long one way round all links takes. */
const ring = v.strictObject({
  stages: v.pipe(v.array(v.strictObject({ layers: v.pipe(layerIndex, v.minValue(1)), cost: layerCost })), v.minLength(1), v.maxLength(LIMITS.layers)),
  linksMs: v.pipe(finite, v.minValue(0))
})

/** To the first stage, when every place is taken and whenever it changes: the versions that all stages hold, and the costs by which it cuts its sequences into micro-batches. */
export const pipelineOpen = v.strictObject({ pipeline: pipelineId, versions: v.array(policyVersion), ring })
export type PipelineOpen = v.InferOutput<typeof pipelineOpen>

/** The tab has no place any more. A first stage keeps its sequences for the next place. */
export const placeRevoked = v.strictObject({ pipeline: pipelineId })

export const sequenceRequested = v.strictObject({
  key: sequenceKey,
  prompt: v.pipe(v.array(tokenId), v.minLength(1), v.maxLength(LIMITS.tokensPerRollout)),
  /** What it has come to already, on a pipeline that broke. */
  drawn: drawnTokens,
  /** Of the whole answer, what is drawn already included. */
  maxTokens: v.pipe(count, v.minValue(1), v.maxValue(LIMITS.tokensPerRollout)),
  /** null: the likeliest token every time. */
  seed: v.nullable(rolloutSeed),
  temperature: v.pipe(finite, v.minValue(0.01), v.maxValue(10)),
  version: policyVersion
})
export type SequenceRequested = v.InferOutput<typeof sequenceRequested>
export const sequencesRequested = v.strictObject({ pipeline: pipelineId, requests: v.pipe(v.array(sequenceRequested), v.minLength(1), v.maxLength(LIMITS.rowsPerMicroBatch)) })
export const sequencesGivenUp = v.strictObject({ pipeline: pipelineId, keys: v.pipe(v.array(sequenceKey), v.minLength(1), v.maxLength(LIMITS.rowsPerMicroBatch)) })

/** Part of the tells in `volunteer-messages.ts`. */
export const STAGE_TELLS = {
  slice_ready: sliceReady,
  version_dropped: versionDropped,
  profile: profileReport,
  heartbeat,
  place_taken: placeTaken,
  pipeline_broken: pipelineBroken,
  sequences_generated: sequencesGenerated,
  stage_fragment: stageFragmentSent
} as const
export const STAGE_HEARS = {
  slice_assigned: sliceAssigned,
  place_assigned: placeAssigned,
  place_revoked: placeRevoked,
  pipeline_open: pipelineOpen,
  sequences_requested: sequencesRequested,
  sequences_given_up: sequencesGivenUp,
  stage_fragment: stageFragmentReceived
} as const
