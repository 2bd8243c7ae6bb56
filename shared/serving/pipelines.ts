/** The pipelines of the plan: places are told, taken and revoked. A pipeline that breaks is replaced by another with another name. */
import type { PipelineId } from '../pipeline/stage-work.ts'
import type { PeerId, PolicyVersion } from '../protocol/identifiers.ts'
import type { LayerCoverage } from '../protocol/layer-coverage.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { Pipeline } from '../scheduling/layer-plan.ts'
import { isSameRing, isUnlinkable, neighbours, ringOf, rowsOf } from './pipeline-cost.ts'
import type { ServingEffect, ServingPipeline, ServingState } from './serving-state.ts'
import { isStageReady } from './slice-hosts.ts'

/** From the places being told to all of them being taken. */
export const OPEN_WITHIN_MS = 10_000

export interface BreakCause {
  readonly peer: PeerId
  readonly cause: LayerCoverage['breaks'][number]['cause']
  readonly detectedAfterMs: number
}

export function pipelineOf(state: ServingState, peer: PeerId): ServingPipeline | undefined {
  return [...state.pipelines.values()].find(({ stages }) => stages.some(stage => stage.peer === peer))
}

/** @returns the next stage, if what goes to it has to be relayed */
export function relayedNeighbour({ pipelines }: ServingState, from: PeerId, id: PipelineId): PeerId | undefined {
  const { stages = [], relayed = [] } = pipelines.get(id) ?? {}
  const stage = stages.findIndex(({ peer }) => peer === from)
  return relayed.includes(stage) ? stages[(stage + 1) % stages.length]!.peer : undefined
}

export function isOpen(pipeline: ServingPipeline): boolean {
  return pipeline.versions !== undefined
}

/** Versions that all stages hold, newest first. */
export function commonVersions(state: ServingState, { stages }: Pick<ServingPipeline, 'stages'>): PolicyVersion[] {
  const [first, ...others] = stages.map(({ peer }) => state.hosts.get(peer)!.versions)
  return [...first!].filter(version => others.every(versions => versions.has(version))).toSorted((left, right) => right - left)
}

/** Tells places until the pipelines are those of the plan, as far as these are loaded. */
export function realisePlan(state: ServingState, now: number, effects: ServingEffect[]): void {
  const planned = new Set(state.plan.pipelines)
  for (const pipeline of state.pipelines.values()) if (!planned.delete(pipeline.stages)) closePipeline(state, pipeline, effects)
  for (const stages of planned) if (stages.every(stage => isStageReady(state, stage))) tellPlaces(state, stages, now, effects)
}

/** The pipeline opens when all have taken their places. */
export function takePlace(state: ServingState, pipeline: ServingPipeline, peer: PeerId, effects: ServingEffect[]): void {
  pipeline.taken.add(peer)
  if (pipeline.taken.size === pipeline.stages.length) tellOpen(state, pipeline, effects)
}

/** After its peer holds other versions than before, or has measured what it costs. */
export function refreshPipeline(state: ServingState, peer: PeerId, effects: ServingEffect[]): void {
  const pipeline = pipelineOf(state, peer)
  if (pipeline !== undefined && isOpen(pipeline)) tellOpen(state, pipeline, effects)
}

/** One that never opened is no loss to anybody, and leaves no trace. */
export function breakPipeline(state: ServingState, pipeline: ServingPipeline, cause: BreakCause, now: number, effects: ServingEffect[]): void {
  if (isOpen(pipeline)) recordBreak(state, pipeline, cause, now)
  closePipeline(state, pipeline, effects)
}

function recordBreak(state: ServingState, pipeline: ServingPipeline, { peer, cause, detectedAfterMs }: BreakCause, now: number): void {
  const report = { pipeline: pipeline.id, peer, cause, sequences: pipeline.sequences.size, detectedAfterMs, recoveredAfterMs: null }
  state.breaks = [{ report, decidedAt: now, waiting: new Set(pipeline.sequences) }, ...state.breaks].slice(0, LIMITS.requestsInCoverage)
}

/**
 * People's sequences wait for whichever pipeline is first to have room; those of leases stay with the first stage. Tokens
 * of the closed pipeline that are still on their way count no more.
 */
function closePipeline(state: ServingState, { id, stages, sequences }: ServingPipeline, effects: ServingEffect[]): void {
  state.pipelines.delete(id)
  for (const key of sequences) state.sequences.get(key)!.pipeline = undefined
  const first = stages[0]!.peer
  if (sequences.size > 0 && state.hosts.has(first)) effects.push(...givenUp(first, id, [...sequences]))
  for (const { peer } of stages) if (state.hosts.has(peer)) effects.push({ kind: 'tell', peer, event: 'place_revoked', payload: { pipeline: id } })
}

export function givenUp(first: PeerId, pipeline: number, keys: readonly string[]): ServingEffect[] {
  const effects: ServingEffect[] = []
  for (let from = 0; from < keys.length; from += LIMITS.rowsPerMicroBatch) {
    effects.push({ kind: 'tell', peer: first, event: 'sequences_given_up', payload: { pipeline, keys: keys.slice(from, from + LIMITS.rowsPerMicroBatch) } })
  }
  return effects
}

function tellPlaces(state: ServingState, stages: Pipeline, now: number, effects: ServingEffect[]): void {
  const id = state.nextPipeline++
  const ring = neighbours(stages)
  const relayed = ring.flatMap(({ from, to }, stage) => (isUnlinkable(state, from, to) ? [stage] : []))
  const rowsPerBatch = rowsOf(state, stages)
  // Every stage may have a full micro-batch at once.
  const rows = Math.max(rowsPerBatch, Math.min(state.model.rows, rowsPerBatch * stages.length))
  state.pipelines.set(id, { id, stages, relayed, openBy: now + OPEN_WITHIN_MS, rows, taken: new Set(), versions: undefined, ring: undefined, sequences: new Set() })
  const pathOver = (stage: number): 'relay' | 'link' => (relayed.includes(stage) ? 'relay' : 'link')
  for (const [stage, { peer }] of stages.entries()) {
    const before = (stage + stages.length - 1) % stages.length
    effects.push({
      kind: 'tell',
      peer,
      event: 'place_assigned',
      payload: {
        pipeline: id,
        stage,
        stages: stages.length,
        previous: stages.length === 1 ? null : { peer: stages[before]!.peer, path: pathOver(before) },
        next: stages.length === 1 ? null : { peer: ring[stage]!.to, path: pathOver(stage) },
        // The trainer checks rollouts against float32: halves would have some of them refused.
        encoding: 'f32',
        rows: rowsPerBatch
      }
    })
  }
  for (const [stage, { from, to }] of ring.entries()) {
    const isSecondOfPair = stages.length === 2 && stage === 1
    if (!relayed.includes(stage) && !isSecondOfPair) effects.push({ kind: 'link', a: from, b: to })
  }
}

function tellOpen(state: ServingState, pipeline: ServingPipeline, effects: ServingEffect[]): void {
  const versions = commonVersions(state, pipeline)
  const ring = ringOf(state, pipeline.stages)
  if (pipeline.versions?.join() === versions.join() && pipeline.ring !== undefined && isSameRing(ring, pipeline.ring, rowsOf(state, pipeline.stages))) return
  pipeline.versions = versions
  pipeline.ring = ring
  effects.push({ kind: 'tell', peer: pipeline.stages[0]!.peer, event: 'pipeline_open', payload: { pipeline: pipeline.id, versions, ring } })
}
