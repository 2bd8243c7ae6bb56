/** Which peers hold which layers, as the dashboard and the playground show it. Sent by the signaling server to pages that watch the run. */
import { count, finite, peerId, policyVersion, runId } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { layerRange, pipelineId } from './stage-messages.ts'
import { v } from './schema.ts'
import { MISSING_REASONS } from '../scheduling/missing-layers.ts'

const milliseconds = v.pipe(finite, v.minValue(0))

export const REQUEST_ENDS = ['stop', 'length', 'given_up', 'refused'] as const
/**
 * `left`: it said so, or its connection closed. `silent`: it missed heartbeats. `slow`: it computed, or a round took, too long.
 * `link_lost`: its link to a neighbour. `fault`: it gave its place up.
 */
export const BREAK_CAUSES = ['left', 'silent', 'slow', 'link_lost', 'fault'] as const

/** `assigned`: fetching or loading its slice; `late`: it missed heartbeats or computes for too long. */
export const HOST_STATES = ['assigned', 'ready', 'late'] as const

export const coverageHost = v.strictObject({
  peer: peerId,
  /** null: nothing that is needed fits. */
  layers: v.nullable(layerRange),
  state: v.picklist(HOST_STATES),
  /** One token through its slice; null before it was measured. */
  decodeMs: v.nullable(milliseconds),
  /** Sequences in flight through it. */
  rows: count
})

export const coveragePipeline = v.strictObject({
  pipeline: pipelineId,
  /** In order; all of them are among the hosts. */
  stages: v.pipe(v.array(peerId), v.minLength(1)),
  /** Every place is taken: it serves. */
  open: v.boolean(),
  /** People's requests go elsewhere: answers grow no slower without it. */
  spared: v.boolean(),
  /** Versions that all stages hold. */
  versions: v.array(policyVersion),
  /** Neighbours that cannot be linked, as their places in the ring: frames from stage i to the next are relayed. */
  relayed: v.array(count)
})

/** A request that was served lately, newest first. */
export const servedRequest = v.strictObject({
  key: v.pipe(v.string(), v.maxLength(200)),
  version: policyVersion,
  /** Every chain that worked on it, in order: more than one when a pipeline broke. */
  chains: v.pipe(v.array(v.pipe(v.array(v.strictObject({ peer: peerId, layers: layerRange })), v.minLength(1))), v.maxLength(8)),
  tokens: count,
  firstTokenMs: v.nullable(milliseconds),
  totalMs: milliseconds,
  /** null while it is being served. */
  end: v.nullable(v.picklist(REQUEST_ENDS))
})
export type ServedRequest = v.InferOutput<typeof servedRequest>

export const layerCoverage = v.strictObject({
  run: runId,
  /** Of the model. */
  layers: v.pipe(count, v.minValue(1), v.maxValue(LIMITS.layers)),
  hosts: v.pipe(v.array(coverageHost), v.maxLength(LIMITS.peersPerRun)),
  pipelines: v.pipe(v.array(coveragePipeline), v.maxLength(LIMITS.peersPerRun)),
  /** Empty while at least one pipeline can be made. */
  missing: v.array(v.strictObject({ layers: layerRange, reason: v.picklist(MISSING_REASONS) })),
  /** Requests of people that no pipeline serves yet. */
  waiting: count,
  recent: v.pipe(v.array(servedRequest), v.maxLength(LIMITS.requestsInCoverage)),
  /** Breaks of pipelines lately, newest first: what happened, and how long their sequences stood still. */
  breaks: v.pipe(
    v.array(
      v.strictObject({
        pipeline: pipelineId,
        peer: peerId,
        cause: v.picklist(BREAK_CAUSES),
        sequences: count,
        /** From the first sign that nothing came any more (the last heartbeat, or the start of the work) to the decision. */
        detectedAfterMs: milliseconds,
        /** From the decision until another pipeline was open for them; null while none is. */
        recoveredAfterMs: v.nullable(milliseconds)
      })
    ),
    v.maxLength(LIMITS.requestsInCoverage)
  )
})
export type LayerCoverage = v.InferOutput<typeof layerCoverage>
