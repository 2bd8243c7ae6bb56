/**
 * Decides what is leased to whom, what counts, and when the learner steps. A machine without clock, socket or promise:
 * inputs, with the time, give effects, and the state is changed in place. See README.md for what it guarantees.
 */
import type { CoordinatorEffect, CoordinatorInput, CoordinatorState, LearntSample } from './coordinator-state.ts'
import { judge, receive } from './delivery.ts'
import { grantLeases } from './granting.ts'
import { isComplete, oldestVersion, openSample, type CompleteGroup } from './group.ts'
import { activeLeases, earliestDeadline, forgetLeases, type LeaseRecord } from './lease-table.ts'
import { endLease, releaseTurn } from './lease-ending.ts'
import { lengthened, shortened } from './pacing.ts'
import { dismissPeer, peerRecord } from './peer-table.ts'
import { addLag, lag } from './staleness.ts'
import { isTooOld } from './usable-versions.ts'

export interface StepContext {
  readonly nowMs: number
}

/**
 * Changes `state` and returns what the host has to do, in order. Throws only on inputs that a correct host never gives.
 * @param inputs what came together, as the verdicts on all turns of one prefill do: what they set free is leased together, not a turn at a time
 */
export function step(state: CoordinatorState, inputs: readonly CoordinatorInput[], { nowMs }: StepContext): CoordinatorEffect[] {
  const effects: CoordinatorEffect[] = []
  for (const input of inputs) take(state, input, nowMs, effects)
  beginLearning(state, effects)
  if (!state.closed) grantLeases(state, nowMs, effects)
  askForWakeUp(state, effects)
  return effects
}

function take(state: CoordinatorState, input: CoordinatorInput, nowMs: number, effects: CoordinatorEffect[]): void {
  switch (input.kind) {
    case 'peer_joined':
      peerRecord(state.peers, input.peer)
      return
    case 'peer_left':
      for (const lease of activeLeases(state.leases)) if (lease.peer === input.peer) endLease(state, lease, 'lost', effects)
      dismissPeer(state.peers, input.peer)
      return
    case 'peers_unknown':
      for (const peer of Object.values(state.peers)) peer.wish = 0
      return
    case 'work_wanted':
      Object.assign(peerRecord(state.peers, input.peer), { wish: input.rollouts, version: input.version })
      return
    case 'rollouts_received':
      for (const rollout of input.rollouts) receive(state, input, rollout, effects)
      return
    case 'rollout_judged':
      judge(state, input, effects)
      return
    case 'learner_free':
      state.learnerFree = true
      pace(state)
      return
    case 'policy_published':
      publish(state, input.version)
      return
    case 'closed':
      state.closed = true
      return
    case 'deadline_reached':
      for (const lease of activeLeases(state.leases)) if (lease.deadlineMs <= nowMs) expire(state, lease, effects)
  }
}

/** Whoever let a lease expire may be frozen: it has to ask again before it gets more. */
function expire(state: CoordinatorState, lease: LeaseRecord, effects: CoordinatorEffect[]): void {
  endLease(state, lease, 'expired', effects)
  peerRecord(state.peers, lease.peer).wish = 0
}

function pace(state: CoordinatorState): void {
  const surplus = state.groups.filter(isComplete).length - state.config.groupsPerBatch
  state.lookahead = surplus < 0 ? lengthened(state.config, state.lookahead) : shortened(state.config, state.lookahead, surplus)
}

/** Takes the oldest complete groups. What is too old for the step after this one makes room at once. */
function beginLearning(state: CoordinatorState, effects: CoordinatorEffect[]): void {
  if (!state.learnerFree || state.learning !== null || state.closed) return
  const batch = state.groups.filter(isComplete).slice(0, state.config.groupsPerBatch)
  if (batch.length < state.config.groupsPerBatch) return
  state.groups = state.groups.filter(group => !batch.some(taken => taken.prompt === group.prompt))
  state.learning = batch
  state.learnerFree = false
  effects.push({ kind: 'learn', version: state.version, groups: batch.map(group => ({ prompt: group.prompt, samples: learntSamples(state.version, group) })) })
  discardOutdated(state, effects)
}

function learntSamples(version: number, group: CompleteGroup): LearntSample[] {
  return group.samples.map((sample, index) => ({ prompt: group.prompt, index, version: sample.version, lag: lag(version, sample.version) }))
}

function discardOutdated(state: CoordinatorState, effects: CoordinatorEffect[]): void {
  for (const lease of activeLeases(state.leases)) if (isTooOld(state, lease.version)) endLease(state, lease, 'stale', effects)
  forgetLeases(state.leases, lease => isTooOld(state, lease.version))
  for (const group of state.groups) {
    for (const [index, sample] of group.samples.entries()) {
      const oldest = oldestVersion(sample)
      if (oldest === undefined || !isTooOld(state, oldest)) continue
      const turns = sample.turns.length
      group.samples[index] = openSample(sample.attempt + 1)
      state.counters.stale += turns
      effects.push({ kind: 'rollout_outdated', rollout: { prompt: group.prompt, index, turns } })
      // Whoever is at its next turn goes on with tokens that nobody has any more.
      for (const lease of activeLeases(state.leases)) releaseTurn(state, lease, { prompt: group.prompt, index, turn: turns }, effects)
    }
  }
}

function publish(state: CoordinatorState, version: number): void {
  if (state.learning === null || version !== state.version + 1) throw new Error(`version ${version} was published after ${state.version} without a learner step`)
  for (const group of state.learning) for (const sample of learntSamples(state.version, group)) addLag(state.lagHistogram, sample.lag)
  state.learnt.push(...state.learning.map(group => ({ prompt: group.prompt, rewards: group.samples.map(({ turns }) => turns.map(({ reward }) => reward)) })))
  const { stalenessBudget, groupsPerBatch } = state.config
  state.learnt.splice(0, state.learnt.length - (stalenessBudget + 2) * groupsPerBatch)
  state.learning = null
  state.version = version
}

function askForWakeUp(state: CoordinatorState, effects: CoordinatorEffect[]): void {
  const atMs = earliestDeadline(state.leases) ?? null
  if (atMs !== null && atMs !== state.wakeAtMs) effects.push({ kind: 'wake_at', atMs })
  state.wakeAtMs = atMs
}

/**
 * Makes a snapshot fit to go on from after its process died: nobody is connected, nothing is being judged, and the
 * learner step that was under way did not happen. What was leased can still be delivered by its former holders.
 */
export function recover(state: CoordinatorState): CoordinatorEffect[] {
  const effects: CoordinatorEffect[] = []
  state.groups = [...(state.learning ?? []), ...state.groups].toSorted((a, b) => a.prompt - b.prompt)
  state.learning = null
  state.learnerFree = false
  state.closed = false
  state.wakeAtMs = null
  for (const lease of activeLeases(state.leases)) endLease(state, lease, 'lost', effects)
  state.leases.epoch++
  for (const group of state.groups) for (const sample of group.samples) if (sample.kind === 'open') sample.judging = 0
  for (const id of Object.keys(state.peers)) dismissPeer(state.peers, id)
  return effects
}

/** Rollouts that are out with peers, and accepted ones that wait for a learner step. */
export function backlog(state: CoordinatorState): { readonly inFlight: number; readonly buffered: number } {
  let inFlight = 0
  let buffered = 0
  for (const group of state.groups) {
    for (const sample of group.samples) {
      if (sample.kind === 'accepted') buffered++
      else if (sample.lease !== null || sample.judging > 0) inFlight++
    }
  }
  return { inFlight, buffered }
}
