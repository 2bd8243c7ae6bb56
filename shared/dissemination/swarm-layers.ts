/** What the serving machine decides about a run's layers, carried out among the run's connections; and what watchers see of it. */
import { parseDecoderConfig } from '../model/config.ts'
import { coverageOf } from '../serving/coverage.ts'
import { relayedNeighbour } from '../serving/pipelines.ts'
import { createServing, type ServingEffect, type ServingInput } from '../serving/serving-state.ts'
import { stepServing } from '../serving/serving.ts'
import { ModelFileError } from '../model/model-file-error.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import { refuse } from '../protocol/refusal.ts'
import type { RunDescription } from '../protocol/run-description.ts'
import type { v } from '../protocol/schema.ts'
import type { stageFragmentSent } from '../protocol/stage-messages.ts'
import type { LayerRange } from '../scheduling/layer-range.ts'
import { introduceTo } from './introductions.ts'
import { watchersOf, type ConnectionId, type DirectoryEffect, type RunLayers, type SwarmDirectory, type SwarmPeer, type SwarmRun } from './swarm-state.ts'

/** Sequences for which every stage has room: what a tab on a laptop batches with profit. */
const ROWS = 64
/** Of keys and values; models of the size that tabs can hold are served no longer contexts. */
const CONTEXT_TOKENS_MOST = 4_096
/** Between two pictures of the coverage. */
export const COVERAGE_INTERVAL_MS = 500

/** @returns undefined for a model that tabs cannot compute: its run has no layers to give out */
export function createRunLayers(description: RunDescription, firstPipeline: number): RunLayers | undefined {
  try {
    const config = parseDecoderConfig(description.model, 'config.json')
    const use = { rows: ROWS, contextTokens: Math.min(config.contextLength, CONTEXT_TOKENS_MOST), ...(description.lora !== null && { lora: description.lora }) }
    return { config, serving: createServing(config, use, firstPipeline), shownAt: -Infinity, isShown: false }
  } catch (error) {
    if (error instanceof ModelFileError) return undefined
    throw error
  }
}

export function stepLayers(run: SwarmRun, input: ServingInput, now: number): DirectoryEffect[] {
  const { layers } = run
  if (layers === undefined) return []
  const effects = stepServing(layers.serving, input, { now })
  // Heartbeats come from everybody all the time and mean nothing new.
  if (input.kind !== 'heartbeat' || effects.length > 0) layers.isShown = false
  return effects.flatMap(effect => carryOut(run, effect))
}

function carryOut(run: SwarmRun, effect: ServingEffect): DirectoryEffect[] {
  switch (effect.kind) {
    case 'tell':
      return [{ ...effect, to: run.peers.get(effect.peer)!.connection } as DirectoryEffect]
    case 'link':
      return introduceTo(run.peers.get(effect.a)!, run.peers.get(effect.b)!)
    case 'sequence_event':
      return [{ kind: 'sequence_event', run: run.description.run, key: effect.key, event: effect.event }]
    case 'wake_at':
      // The directory wakes for whatever is due first.
      return []
  }
}

/** Hidden states go through the server only between neighbours who cannot be linked. */
export function passFragment(run: SwarmRun, from: SwarmPeer, { pipeline, fragment }: v.InferOutput<typeof stageFragmentSent>): DirectoryEffect[] {
  const next = run.layers === undefined ? undefined : relayedNeighbour(run.layers.serving, from.id, pipeline)
  if (next === undefined) return [{ kind: 'refuse', refusal: refuse('unknown_peer', `pipeline ${pipeline} relays nothing for this peer`) }]
  return [{ kind: 'tell', to: run.peers.get(next)!.connection, event: 'stage_fragment', payload: { fragment } }]
}

/** Of versions, tabs fetch the part that belongs to their layers. @returns null: all of them */
export function layersOf({ layers }: SwarmRun, peer: PeerId): LayerRange | null {
  const host = layers?.serving.hosts.get(peer)
  return host === undefined ? null : (host.assigned ?? { start: 0, end: 0 })
}

/** To those that watch, whenever something has changed. */
export function showCoverage(directory: SwarmDirectory, now: number): DirectoryEffect[] {
  return [...directory.runs.values()].flatMap(run => {
    const { layers } = run
    if (layers === undefined || layers.isShown || now < layers.shownAt + COVERAGE_INTERVAL_MS) return []
    layers.isShown = true
    layers.shownAt = now
    return coverageTells(run, watchersOf(directory, run.description.run).filter(id => directory.connections.get(id)!.role === 'observer'), now)
  })
}

export function coverageTells({ description, layers }: SwarmRun, watchers: readonly ConnectionId[], now: number): DirectoryEffect[] {
  if (layers === undefined || watchers.length === 0) return []
  const payload = { run: description.run, ...coverageOf(layers.serving, now) }
  return watchers.map(to => ({ kind: 'tell', to, event: 'layer_coverage', payload }))
}
