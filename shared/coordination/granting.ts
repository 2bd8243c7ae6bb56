/** Leases to hungry peers: oldest groups first, whoever waited longest first. */
import { LIMITS } from '../protocol/limits.ts'
import { admissibleGroups } from './admission.ts'
import type { CoordinatorEffect, CoordinatorState } from './coordinator-state.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import { isFree, openGroup, type Group, type OpenSample, type Sample } from './group.ts'
import { leaseSize } from './lease-sizing.ts'
import { activeLeases, openLease, type TurnKey } from './lease-table.ts'
import { pacedGroups } from './pacing.ts'
import { isExcluded, type PeerRecord } from './peer-table.ts'
import { nextLearntAt } from './usable-versions.ts'

export function grantLeases(state: CoordinatorState, nowMs: number, effects: CoordinatorEffect[]): void {
  const busy = new Set(activeLeases(state.leases).map(lease => lease.peer))
  const hungry = Object.values(state.peers)
    .filter(peer => peer.wish > 0 && peer.version <= state.version && !isExcluded(peer))
    .toSorted((a, b) => a.servedAt - b.servedAt || (a.id < b.id ? -1 : 1))
  const active = new Set([...busy, ...hungry.map(peer => peer.id)]).size
  for (const peer of hungry) grant(state, peer, active, nowMs, effects)
}

function grant(state: CoordinatorState, peer: PeerRecord, activePeers: number, nowMs: number, effects: CoordinatorEffect[]): void {
  const { config } = state
  const groups = Math.min(admissibleGroups(config, nextLearntAt(state), peer.version), pacedGroups(config, state))
  const open = state.groups.slice(0, groups)
  const unopened = Math.max(0, groups - state.groups.length)
  const size = leaseSize({
    wish: peer.wish,
    available: countFree(open, peer.id) + unopened * config.groupSize,
    activePeers,
    groupSize: config.groupSize,
    most: LIMITS.rolloutsPerLease
  })
  if (size === 0) return
  const free = open.flatMap(group => freeSamples(group, peer.id))
  while (free.length < size) free.push(...openNextGroup(state))
  const samples = firstPrompts(free.slice(0, size), LIMITS.promptsPerLease)
  const keys = samples.map(({ key }) => key)
  const lease = openLease(state.leases, { peer: peer.id, version: peer.version, samples: keys, deadlineMs: nowMs + config.leaseDurationMs })
  for (const { sample } of samples) sample.lease = lease.id
  peer.wish -= keys.length
  peer.servedAt = lease.serial
  state.counters.leased += keys.length
  effects.push({ kind: 'lease_granted', peer: peer.id, lease: lease.id, version: lease.version, samples: keys, durationMs: config.leaseDurationMs })
}

interface FreeSample {
  readonly key: TurnKey
  readonly sample: OpenSample
}

function freeSamples({ prompt, samples }: Group, peer: PeerId): FreeSample[] {
  return samples.flatMap((sample, index) => (isFreeFor(sample, peer) ? [freeSample(prompt, index, sample)] : []))
}

/** Asked for after every event, of all samples that are open: most of the time nothing is free. */
function countFree(groups: readonly Group[], peer: PeerId): number {
  let free = 0
  for (const { samples } of groups) for (const sample of samples) if (isFreeFor(sample, peer)) free++
  return free
}

function isFreeFor(sample: Sample, peer: PeerId): sample is OpenSample {
  return isFree(sample) && !sample.refused.some(refused => refused.peer === peer)
}

function openNextGroup(state: CoordinatorState): FreeSample[] {
  const group = openGroup(state.nextPrompt++, state.config.groupSize)
  state.groups.push(group)
  return group.samples.flatMap((sample, index) => (sample.kind === 'open' ? [freeSample(group.prompt, index, sample)] : []))
}

function freeSample(prompt: number, index: number, sample: OpenSample): FreeSample {
  return { key: { prompt, index, turn: sample.turns.length, attempt: sample.attempt }, sample }
}

/** First turns of one prompt go together; a later one has tokens of its own before it. */
function firstPrompts(samples: readonly FreeSample[], most: number): FreeSample[] {
  const contextOf = ({ key: { prompt, index, turn } }: FreeSample): string => (turn === 0 ? `${prompt}` : `${prompt}/${index}`)
  const contexts = new Set([...new Set(samples.map(contextOf))].slice(0, most))
  return samples.filter(sample => contexts.has(contextOf(sample)))
}
