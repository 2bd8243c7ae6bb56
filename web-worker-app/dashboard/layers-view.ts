/** Who holds which layers, how they are chained, what is missing and what would help. Pure. */
import type { HOST_STATES, LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { rangeLength, type LayerRange } from '#shared/scheduling/layer-range.ts'
import type { MissingLayers } from '#shared/scheduling/missing-layers.ts'
import { formatDecimal, formatInteger, formatMilliseconds, NOT_YET, shortPeerId } from '../presentation/format.ts'
import { layerMessages as text } from './layer-messages.ts'

/** As many as the table of peers: more rows help nobody and stall the page. */
export const HOSTS_SHOWN = 200

type Host = LayerCoverage['hosts'][number]
type Pipeline = LayerCoverage['pipelines'][number]

export interface HostRow {
  readonly peer: string
  readonly shortId: string
  /** From 1; null outside pipelines of several stages. */
  readonly stage: string | null
  readonly layers: LayerRange | null
  readonly layersLabel: string
  readonly state: (typeof HOST_STATES)[number]
  readonly stateLabel: string
  readonly latency: string
  readonly inFlight: string
  /** How frames reach the stage after it (the first one, from the last); null where there is none. */
  readonly next: keyof typeof text.path | null
}

export interface HostGroup {
  readonly id: string
  readonly title: string
  /** null where the group is no pipeline. */
  readonly open: boolean | null
  readonly facts: readonly string[]
  readonly rows: readonly HostRow[]
}

/** Neighbouring layers that as many ready tabs hold. */
export interface CoverageStretch {
  readonly layers: LayerRange
  readonly ready: number
}

export interface LayersView {
  readonly layers: number
  readonly summary: string
  /** What can be said in a line: how well the layers are served. */
  readonly status: readonly string[]
  readonly missing: readonly { readonly layers: string; readonly text: string }[]
  /** null while every tab holds the whole model or nothing: there is no picture to make of it. */
  readonly picture: { readonly stretches: readonly CoverageStretch[]; readonly most: number; readonly range: string; readonly sentence: string } | null
  readonly groups: readonly HostGroup[]
  readonly hidden: number
}

/** As people count to the last layer: [12, 24) is "12–23". */
export function formatLayers({ start, end }: LayerRange): string {
  return end - start === 1 ? formatInteger(start) : `${formatInteger(start)}–${formatInteger(end - 1)}`
}

function coverageStretches(layers: number, hosts: readonly Host[]): CoverageStretch[] {
  const change = Array.from({ length: layers + 1 }, () => 0)
  for (const { layers: held, state } of hosts) {
    if (held === null || state !== 'ready') continue
    change[held.start]!++
    change[held.end]!--
  }
  const stretches: CoverageStretch[] = []
  let ready = 0
  let start = 0
  for (let layer = 0; layer < layers; layer++) {
    if (change[layer] !== 0 && layer > start) {
      stretches.push({ layers: { start, end: layer }, ready })
      start = layer
    }
    ready += change[layer]!
  }
  return [...stretches, { layers: { start, end: layers }, ready }]
}

function picture(layers: number, hosts: readonly Host[]): LayersView['picture'] {
  const stretches = coverageStretches(layers, hosts)
  const counts = stretches.map(({ ready }) => ready)
  const least = counts.reduce((low, n) => Math.min(low, n), Infinity)
  const most = counts.reduce((high, n) => Math.max(high, n), 0)
  const parts = stretches.map(stretch => text.picture.part(formatLayers(stretch.layers), formatInteger(stretch.ready)))
  return { stretches, most, range: text.picture.range(formatInteger(least), formatInteger(most)), sentence: text.picture.sentence(parts.join('; ')) }
}

function hostRow({ peer, layers, state, decodeMs, rows }: Host, place?: { readonly stage: number; readonly relayed: boolean }): HostRow {
  return {
    peer,
    shortId: shortPeerId(peer),
    stage: place === undefined ? null : formatInteger(place.stage + 1),
    layers,
    layersLabel: layers === null ? NOT_YET : formatLayers(layers),
    state,
    // Nothing is loading where there is nothing to load.
    stateLabel: layers === null && state !== 'late' ? text.idle : text.state[state],
    latency: decodeMs === null ? NOT_YET : formatDecimal(decodeMs, 1),
    inFlight: formatInteger(rows),
    next: place === undefined ? null : place.relayed ? 'relay' : 'link'
  }
}

function versionsLabel(versions: readonly number[]): string {
  if (versions.length === 0) return text.noVersion
  return text.versions(formatInteger(versions.reduce((newest, version) => Math.max(newest, version))), versions.length - 1)
}

function pipelineGroup({ pipeline, stages, open, spared, versions, relayed }: Pipeline, hosts: ReadonlyMap<string, Host>): HostGroup {
  const held = stages.flatMap(peer => hosts.get(peer) ?? [])
  const latencies = held.map(({ decodeMs }) => decodeMs)
  const latency = latencies.includes(null) ? null : latencies.reduce<number>((sum, ms) => sum + (ms ?? 0), 0)
  return {
    id: `pipeline-${pipeline}`,
    title: text.group.pipeline(String(pipeline)),
    open,
    facts: [
      // Every sequence passes the first stage.
      text.inFlight(formatInteger(held[0]?.rows ?? 0)),
      ...(latency === null ? [] : [text.latency(formatMilliseconds(latency))]),
      versionsLabel(versions),
      ...(spared ? [text.spared] : [])
    ],
    rows: stages.flatMap((peer, stage) => {
      const host = hosts.get(peer)
      return host === undefined ? [] : hostRow(host, { stage, relayed: relayed.includes(stage) })
    })
  }
}

const byId = (left: Host, right: Host): number => (left.peer < right.peer ? -1 : 1)

/** Pipelines by their number, then the others by their id: rows trade places only when a pipeline is made anew. Of each kind no more than can be shown. */
function hostGroups({ layers, hosts, pipelines }: LayerCoverage): HostGroup[] {
  const known = new Map(hosts.map(host => [host.peer as string, host]))
  const chained = pipelines.filter(({ stages }) => stages.length > 1).toSorted((left, right) => left.pipeline - right.pipeline)
  const placed = new Set<string>(chained.flatMap(({ stages }) => stages))
  const others = hosts.filter(({ peer }) => !placed.has(peer)).toSorted(byId)
  const whole = others.filter(host => holdsAll(host, layers))
  const parts = others.filter(host => host.layers !== null && !holdsAll(host, layers))
  const idle = others.filter(host => host.layers === null)
  const loose = (id: 'whole' | 'standby' | 'idle', members: readonly Host[]): HostGroup => ({ id, title: text.group[id], open: null, facts: [], rows: members.slice(0, HOSTS_SHOWN).map(host => hostRow(host)) })
  const groups = [...chained.slice(0, HOSTS_SHOWN).map(pipeline => pipelineGroup(pipeline, known)), loose('whole', whole), loose('standby', parts), loose('idle', idle)]
  return groups.filter(({ rows }) => rows.length > 0)
}

function firstRows(groups: readonly HostGroup[], limit: number): HostGroup[] {
  let left = limit
  return groups.flatMap(group => {
    const rows = group.rows.slice(0, left)
    left -= rows.length
    return rows.length === 0 ? [] : [{ ...group, rows }]
  })
}

const holdsAll = (host: Host, layers: number): boolean => host.layers !== null && rangeLength(host.layers) === layers

function summary({ layers, hosts }: LayerCoverage): string {
  const holders = hosts.filter(host => host.layers !== null)
  const states = (['ready', 'assigned', 'late'] as const).map(state => ({ state, n: holders.filter(host => host.state === state).length })).filter(({ n }) => n > 0)
  return [text.summary(formatInteger(layers), formatInteger(hosts.length)), ...states.map(({ state, n }) => text.inState[state](formatInteger(n)))].join(' · ')
}

function wholeModelStatus({ layers, hosts }: LayerCoverage): string[] {
  const idle = hosts.filter(host => host.layers === null).length
  return [text.wholeModel(formatInteger(hosts.length - idle), formatInteger(layers)), ...(idle === 0 ? [] : [text.without(formatInteger(idle))])]
}

function servedStatus({ hosts, pipelines, missing }: LayerCoverage): string[] {
  if (hosts.length === 0) return [text.nobody]
  if (missing.length > 0) return []
  const open = pipelines.filter(pipeline => pipeline.open).length
  return [open === 0 ? text.opening : text.served(formatInteger(open))]
}

/** What cannot be served, and what would help. */
export function missingViews(missing: readonly MissingLayers[]): LayersView['missing'] {
  return missing.map(({ layers: range, reason }) => ({ layers: text.missing(formatLayers(range), rangeLength(range) === 1), text: text.missingReason[reason] }))
}

export function layersView(coverage: LayerCoverage): LayersView {
  const { layers, hosts, missing, waiting } = coverage
  const holders = hosts.filter(host => host.layers !== null)
  const allWhole = missing.length === 0 && holders.length > 0 && holders.every(host => holdsAll(host, layers))
  const groups = allWhole ? [] : firstRows(hostGroups(coverage), HOSTS_SHOWN)
  return {
    layers,
    summary: summary(coverage),
    status: [...(allWhole ? wholeModelStatus(coverage) : servedStatus(coverage)), ...(waiting === 0 ? [] : [text.waiting(formatInteger(waiting))])],
    // Where nobody is, that is all there is to say.
    missing: missingViews(hosts.length === 0 ? [] : missing),
    picture: allWhole || hosts.length === 0 ? null : picture(layers, hosts),
    groups,
    hidden: allWhole ? 0 : hosts.length - groups.reduce((sum, { rows }) => sum + rows.length, 0)
  }
}
