/** Requests of people: which pipeline serves each, what it has come to, and how it ends. */
import type { PeerId, PolicyVersion } from '../protocol/identifiers.ts'
import type { ServedRequest } from '../protocol/layer-coverage.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { SequenceRequested, SequencesGenerated } from '../protocol/stage-messages.ts'
import { missingFor, servedRequest } from './coverage.ts'
import { PipelineChoice } from './pipeline-choice.ts'
import { pipelinesInUse } from './pipeline-sparing.ts'
import { givenUp } from './pipelines.ts'
import type { PersonsRequest, Sequence, SequenceEvent, ServingEffect, ServingPipeline, ServingState } from './serving-state.ts'

/** Without any pipeline for it; a repair may be under way. */
export const UNSERVABLE_MOST_MS = 5_000
/** While those who shall serve it load their slices. */
export const LOADING_MOST_MS = 30_000
/** Without a new token from an open pipeline. */
export const STALLED_AFTER_MS = 60_000
/** Pipelines that may work on one request, one after the other. */
export const CHAINS_MOST = 8

export function openRequest(state: ServingState, request: PersonsRequest, now: number, effects: ServingEffect[]): void {
  if (state.sequences.has(request.key)) throw new Error(`request ${request.key} is open already`)
  if (waitingSequences(state).length >= LIMITS.requestsWaiting) {
    effects.push({ kind: 'sequence_event', key: request.key, event: { kind: 'refused', code: 'too_many_requests', missing: [] } })
    return
  }
  state.sequences.set(request.key, {
    request,
    order: state.nextSequence++,
    openedAt: now,
    tokens: [],
    logProbs: [],
    firstTokenAt: undefined,
    pipeline: undefined,
    progressedAt: now,
    unservableSince: undefined,
    chains: []
  })
}

export function closeRequest(state: ServingState, key: string, now: number, effects: ServingEffect[]): void {
  const sequence = state.sequences.get(key)
  if (sequence === undefined) return
  withdraw(state, sequence, effects)
  record(state, sequence, 'given_up', now)
}

/** Only what the pipeline in force says about its own sequences counts. */
export function takeTokens(state: ServingState, peer: PeerId, { pipeline: id, sequences }: SequencesGenerated, now: number, effects: ServingEffect[]): void {
  const pipeline = state.pipelines.get(id)
  if (pipeline?.stages[0]!.peer !== peer) return
  for (const { key, tokens, logProbs, finish } of sequences) {
    const sequence = state.sequences.get(key)
    if (sequence?.pipeline !== id) continue
    const room = sequence.request.maxTokens - sequence.tokens.length
    const taken = { tokens: tokens.slice(0, room), logProbs: logProbs.slice(0, room) }
    if (taken.tokens.length > 0) {
      state.sparing.tokens += taken.tokens.length
      sequence.firstTokenAt ??= now
      sequence.progressedAt = now
      sequence.tokens.push(...taken.tokens)
      sequence.logProbs.push(...taken.logProbs)
      effects.push({ kind: 'sequence_event', key, event: { kind: 'tokens', ...taken } })
    }
    if (finish === null) continue
    pipeline.sequences.delete(key)
    end(state, sequence, { kind: 'finished', finish }, now, effects)
  }
}

/** Gives what waits to the pipelines that finish it first, in the order in which it was asked for. */
export function dispatch(state: ServingState, now: number, effects: ServingEffect[]): void {
  const requests = new Map<ServingPipeline, SequenceRequested[]>()
  const waiting = waitingSequences(state)
  const openWith = waiting.length === 0 ? new Map<PolicyVersion, ServingPipeline[]>() : openPipelinesByVersion(state)
  const choice = new PipelineChoice(state)
  for (const sequence of waiting) {
    const { request, tokens, logProbs } = sequence
    const serving = openWith.get(request.version) ?? []
    sequence.unservableSince = serving.length === 0 ? (sequence.unservableSince ?? now) : undefined
    const pipeline = choice.choose(pipelinesInUse(state.sparing, serving), sequence)
    if (pipeline === undefined) continue
    if (sequence.chains.length === CHAINS_MOST) {
      end(state, sequence, { kind: 'refused', code: 'interrupted', missing: [] }, now, effects)
      continue
    }
    pipeline.sequences.add(request.key)
    sequence.pipeline = pipeline.id
    sequence.progressedAt = now
    sequence.chains.push(pipeline.stages.map(({ peer, slice }) => ({ peer, layers: { start: slice.start, end: slice.end } })))
    const together = requests.get(pipeline) ?? []
    together.push({ ...request, drawn: { tokens: [...tokens], logProbs: [...logProbs] } })
    requests.set(pipeline, together)
  }
  for (const [{ id, stages }, together] of requests) {
    effects.push({ kind: 'tell', peer: stages[0]!.peer, event: 'sequences_requested', payload: { pipeline: id, requests: together } })
  }
}

function openPipelinesByVersion(state: ServingState): Map<PolicyVersion, ServingPipeline[]> {
  const openWith = new Map<PolicyVersion, ServingPipeline[]>()
  for (const pipeline of state.pipelines.values()) {
    for (const version of pipeline.versions ?? []) openWith.set(version, [...(openWith.get(version) ?? []), pipeline])
  }
  return openWith
}

/** Ends what has waited or stood still for too long. Call it after `dispatch`. */
export function endOverdue(state: ServingState, now: number, effects: ServingEffect[]): void {
  for (const { sequence, time } of sequenceDeadlines(state)) {
    if (time > now) continue
    if (sequence.pipeline === undefined) {
      const missing = missingFor(state, sequence.request.version)
      const code = missing.length > 0 && missing.every(({ reason }) => reason === 'stale_version') ? 'stale_version' : 'layers_missing'
      end(state, sequence, { kind: 'refused', code, missing }, now, effects)
    } else {
      withdraw(state, sequence, effects)
      end(state, sequence, { kind: 'refused', code: 'interrupted', missing: [] }, now, effects)
    }
  }
}

/** When sequences end unless something happens before. What waits for a row of an open pipeline has no deadline: rows come free. */
export function sequenceDeadlines(state: ServingState): { readonly sequence: Sequence; readonly time: number }[] {
  const loading = new Set(state.plan.pipelines.flat().flatMap(({ peer }) => [...state.hosts.get(peer)!.versions]))
  return [...state.sequences.values()].flatMap(sequence => {
    const { pipeline, progressedAt, unservableSince, request } = sequence
    if (pipeline !== undefined) return { sequence, time: progressedAt + STALLED_AFTER_MS }
    return unservableSince === undefined ? [] : { sequence, time: unservableSince + (loading.has(request.version) ? LOADING_MOST_MS : UNSERVABLE_MOST_MS) }
  })
}

export function waitingSequences({ sequences }: ServingState): Sequence[] {
  return [...sequences.values()].filter(({ pipeline }) => pipeline === undefined)
}

/** Its row is free at once. */
function withdraw(state: ServingState, { request, pipeline: id }: Sequence, effects: ServingEffect[]): void {
  const pipeline = id === undefined ? undefined : state.pipelines.get(id)
  if (pipeline === undefined) return
  pipeline.sequences.delete(request.key)
  effects.push(...givenUp(pipeline.stages[0]!.peer, pipeline.id, [request.key]))
}

function end(state: ServingState, sequence: Sequence, event: Extract<SequenceEvent, { kind: 'finished' | 'refused' }>, now: number, effects: ServingEffect[]): void {
  effects.push({ kind: 'sequence_event', key: sequence.request.key, event })
  record(state, sequence, event.kind === 'finished' ? event.finish : 'refused', now)
}

function record(state: ServingState, sequence: Sequence, how: ServedRequest['end'], now: number): void {
  state.sequences.delete(sequence.request.key)
  state.ended = [servedRequest(sequence, how, now), ...state.ended].slice(0, LIMITS.requestsInCoverage)
}
