/** Who holds which layers, what is missing, and where requests went: for people, and for those who are refused. */
import type { PolicyVersion } from '../protocol/identifiers.ts'
import type { LayerCoverage, ServedRequest } from '../protocol/layer-coverage.ts'
import { LIMITS } from '../protocol/limits.ts'
import { missingCoverage } from '../scheduling/layer-coverage.ts'
import { layerMs } from '../scheduling/layer-cost.ts'
import { rangeLength } from '../scheduling/layer-range.ts'
import { missingLayers, type MissingLayers, type MissingReason } from '../scheduling/missing-layers.ts'
import { commonVersions, isOpen, pipelineOf } from './pipelines.ts'
import type { Host, Sequence, ServingState } from './serving-state.ts'
import { presentDevices } from './slice-hosts.ts'

export function coverageOf(state: ServingState, now: number): Omit<LayerCoverage, 'run'> {
  const served = [...state.sequences.values()].filter(({ chains }) => chains.length > 0).toReversed()
  return {
    layers: state.model.shape.layers,
    hosts: [...state.hosts.values()].map(host => coverageHost(state, host)),
    pipelines: [...state.pipelines.values()].map(pipeline => ({
      pipeline: pipeline.id,
      stages: pipeline.stages.map(({ peer }) => peer),
      open: isOpen(pipeline),
      spared: state.sparing.spared.has(pipeline.id),
      versions: commonVersions(state, pipeline),
      relayed: [...pipeline.relayed]
    })),
    missing: missingInPlan(state).map(copied),
    waiting: [...state.sequences.values()].filter(({ pipeline }) => pipeline === undefined).length,
    recent: [...served.map(sequence => servedRequest(sequence, null, now)), ...state.ended].slice(0, LIMITS.requestsInCoverage),
    breaks: state.breaks.map(({ report }) => report)
  }
}

/** @returns why no pipeline serves the version now: nobody who is ready has these layers, or not at that version */
export function missingFor(state: ServingState, version: PolicyVersion): MissingLayers[] {
  const inPlan = missingInPlan(state)
  if (inPlan.length > 0) return inPlan
  const ready = [...state.hosts.values()].filter(({ ready, liveness }) => ready !== undefined && liveness.late === undefined)
  const reasons = Array.from({ length: state.model.shape.layers }, (_, layer): MissingReason | undefined => {
    const hosts = ready.filter(({ ready }) => ready!.layers.start <= layer && layer < ready!.layers.end)
    if (hosts.length === 0) return 'absent_peer'
    return hosts.some(({ versions }) => versions.has(version)) ? undefined : 'stale_version'
  })
  return missingLayers(reasons.some(reason => reason !== undefined) ? reasons : reasons.map(() => 'no_link'))
}

/** @param end null while it is being served */
export function servedRequest({ request, chains, tokens, firstTokenAt, openedAt }: Sequence, end: ServedRequest['end'], now: number): ServedRequest {
  const firstTokenMs = firstTokenAt === undefined ? null : firstTokenAt - openedAt
  return { key: request.key, version: request.version, chains: [...chains], tokens: tokens.length, firstTokenMs, totalMs: now - openedAt, end }
}

function missingInPlan(state: ServingState): MissingLayers[] {
  return missingCoverage(state.model.shape, presentDevices(state), state.plan)
}

function coverageHost(state: ServingState, { peer, assigned, ready, profile, liveness }: Host): LayerCoverage['hosts'][number] {
  const layers = assigned ?? null
  return {
    peer,
    layers,
    state: liveness.late !== undefined ? 'late' : ready === undefined ? 'assigned' : 'ready',
    decodeMs: profile === undefined || layers === null ? null : rangeLength(layers) * layerMs(profile.decode, 1),
    rows: pipelineOf(state, peer)?.sequences.size ?? 0
  }
}

function copied({ layers, reason }: MissingLayers): LayerCoverage['missing'][number] {
  return { layers: { start: layers.start, end: layers.end }, reason }
}
