/** Rollouts that come back: which of them need judging, what their verdict is, and whom it counts for. */
import type { RejectionReason, Verdict } from '../protocol/rollout.ts'
import type { CoordinatorEffect, CoordinatorInput, CoordinatorState, Delivery } from './coordinator-state.ts'
import type { Sample } from './group.ts'
import { endLease, releaseSample } from './lease-ending.ts'
import { activeLeases, findLease, isOfLostVersion, sameSample, type LeaseRecord } from './lease-table.ts'
import { isExcluded, peerRecord, recordJudgement } from './peer-table.ts'
import { isUsable } from './usable-versions.ts'

type Received = Extract<CoordinatorInput, { kind: 'rollouts_received' }>
type Judged = Extract<CoordinatorInput, { kind: 'rollout_judged' }>
interface Origin {
  readonly ticket: number
  readonly peer: string
}

export function receive(state: CoordinatorState, received: Received, rollout: Delivery, effects: CoordinatorEffect[]): void {
  const lease = findLease(state.leases, received.lease)
  const fault = leaseFault(lease, received.peer, rollout)
  if (fault !== undefined) {
    reject(state, received, rollout, fault, effects)
    return
  }
  const sample = findSample(state, rollout)
  const known = knownVerdict(state, received.peer, rollout, sample)
  if (known !== undefined) {
    effects.push(answer(received, rollout, known, { first: false }))
  } else if (sample?.kind !== 'open' || !isUsable(state, rollout.version) || isOfLostVersion(state.leases, received.lease, rollout.version)) {
    state.counters.stale++
    effects.push(answer(received, rollout, { id: idOf(rollout), outcome: 'stale' }, { first: true }))
  } else {
    sample.judging++
    effects.push({ kind: 'judge', ticket: received.ticket, peer: received.peer, rollout })
  }
  if (typeof lease === 'object') releaseSample(state, lease, rollout, effects)
}

/** What is wrong with the claim to have been asked for this rollout. A former holder's claim is good. */
function leaseFault(lease: LeaseRecord | 'forgotten' | 'never_granted', peer: string, rollout: Delivery): RejectionReason | undefined {
  if (lease === 'forgotten') return undefined
  if (lease === 'never_granted') return 'unknown_lease'
  if (lease.peer !== peer) return 'not_holder'
  if (!lease.samples.some(sample => sameSample(sample, rollout))) return 'unknown_lease'
  return lease.version === rollout.version ? undefined : 'wrong_version'
}

/** The verdict of this sample, or of this peer's former attempt at it. */
function knownVerdict(state: CoordinatorState, peer: string, rollout: Delivery, sample: Sample | undefined): Verdict | undefined {
  const id = idOf(rollout)
  if (sample?.kind === 'accepted') return { id, outcome: 'accepted', reward: sample.reward }
  const refused = sample?.refused.find(refused => refused.peer === peer)
  if (refused !== undefined) return { id, outcome: 'rejected', reason: refused.reason }
  const reward = state.learnt.find(group => group.prompt === rollout.prompt)?.rewards[rollout.index]
  return reward === undefined ? undefined : { id, outcome: 'accepted', reward }
}

export function judge(state: CoordinatorState, judged: Judged, effects: CoordinatorEffect[]): void {
  const { rollout, judgement } = judged
  const sample = findSample(state, rollout)
  if (sample?.kind === 'open') sample.judging = Math.max(0, sample.judging - 1)
  if (judgement.kind === 'rejected') {
    if (sample?.kind === 'open') sample.refused.push({ peer: judged.peer, reason: judgement.reason })
    reject(state, judged, rollout, judgement.reason, effects)
    return
  }
  if (judgement.kind === 'accepted') recordJudgement(peerRecord(state.peers, judged.peer), { rejected: false })
  const known = knownVerdict(state, judged.peer, rollout, sample)
  if (known !== undefined) {
    effects.push(answer(judged, rollout, known, { first: false }))
  } else if (judgement.kind === 'too_late' || sample?.kind !== 'open' || !isUsable(state, rollout.version)) {
    state.counters.stale++
    effects.push(answer(judged, rollout, { id: idOf(rollout), outcome: 'stale' }, { first: true }))
  } else {
    accept(state, judged, judgement.reward, effects)
  }
}

function accept(state: CoordinatorState, judged: Judged, reward: number, effects: CoordinatorEffect[]): void {
  const { rollout, peer } = judged
  const group = state.groups.find(group => group.prompt === rollout.prompt)
  if (group === undefined) throw new Error(`rollout ${idOf(rollout)} was accepted into no group`)
  group.samples[rollout.index] = { kind: 'accepted', peer, version: rollout.version, reward }
  state.counters.accepted++
  effects.push(answer(judged, rollout, { id: idOf(rollout), outcome: 'accepted', reward }, { first: true }))
  for (const lease of activeLeases(state.leases)) releaseSample(state, lease, rollout, effects)
}

function reject(state: CoordinatorState, origin: Origin, rollout: Delivery, reason: RejectionReason, effects: CoordinatorEffect[]): void {
  state.counters.rejected[reason] = (state.counters.rejected[reason] ?? 0) + 1
  effects.push(answer(origin, rollout, { id: idOf(rollout), outcome: 'rejected', reason }, { first: true }))
  const peer = peerRecord(state.peers, origin.peer)
  recordJudgement(peer, { rejected: true })
  if (!isExcluded(peer)) return
  for (const lease of activeLeases(state.leases)) if (lease.peer === origin.peer) endLease(state, lease, 'lost', effects)
}

/** In the queue or in the batch that is being learnt from. */
function findSample(state: CoordinatorState, { prompt, index }: Delivery): Sample | undefined {
  const group = state.groups.find(group => group.prompt === prompt) ?? state.learning?.find(group => group.prompt === prompt)
  return group?.samples[index]
}

function idOf(rollout: Delivery): string {
  return `${rollout.prompt}/${rollout.index}`
}

function answer({ ticket, peer }: Origin, rollout: Delivery, verdict: Verdict, { first }: { readonly first: boolean }): CoordinatorEffect {
  return { kind: 'answered', ticket, peer, rollout, verdict, first }
}
