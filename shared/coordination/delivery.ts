/** Turns that come back: which of them need judging, what their verdict is, and whom it counts for. */
import type { RejectionReason, Verdict } from '../protocol/rollout.ts'
import type { CoordinatorEffect, CoordinatorInput, CoordinatorState, Delivery, DueTurn } from './coordinator-state.ts'
import { oldestVersion, type OpenSample, type Sample } from './group.ts'
import { endLease, releaseTurn } from './lease-ending.ts'
import { activeLeases, findLease, isOfLostVersion, sameTurn, type LeaseRecord, type SampleKey } from './lease-table.ts'
import { isExcluded, peerRecord, recordJudgement } from './peer-table.ts'
import { isUsable } from './usable-versions.ts'

type Received = Extract<CoordinatorInput, { kind: 'rollouts_received' }>
type Judged = Extract<CoordinatorInput, { kind: 'rollout_judged' }>
interface Origin {
  readonly ticket: number
  readonly peer: string
}

/** Of a later turn whose lease was forgotten: what it followed is not known any more. It may be a turn that was accepted, but it is not due. */
const NO_ATTEMPT = -1

export function receive(state: CoordinatorState, received: Received, delivery: Delivery, effects: CoordinatorEffect[]): void {
  const lease = findLease(state.leases, received.lease)
  const fault = leaseFault(lease, received.peer, delivery)
  if (fault !== undefined) {
    reject(state, received, delivery, fault, effects)
    return
  }
  const sample = findSample(state, delivery)
  const rollout: DueTurn = { ...delivery, attempt: attemptOf(lease, delivery, sample) }
  const known = knownVerdict(state, received.peer, rollout, sample)
  if (known !== undefined) {
    effects.push(answer(received, rollout, known, { first: false }))
  } else if (!isDue(sample, rollout) || !isUsable(state, rollout.version) || isOfLostVersion(state.leases, received.lease, rollout.version)) {
    state.counters.stale++
    effects.push(answer(received, rollout, { id: idOf(rollout), outcome: 'stale' }, { first: true }))
  } else {
    sample.judging++
    effects.push({ kind: 'judge', ticket: received.ticket, peer: received.peer, rollout })
  }
  if (typeof lease === 'object') releaseTurn(state, lease, rollout, effects)
}

/** What is wrong with the claim to have been asked for this turn. A former holder's claim is good. */
function leaseFault(lease: LeaseRecord | 'forgotten' | 'never_granted', peer: string, delivery: Delivery): RejectionReason | undefined {
  if (lease === 'forgotten') return undefined
  if (lease === 'never_granted') return 'unknown_lease'
  if (lease.peer !== peer) return 'not_holder'
  if (!lease.samples.some(turn => sameTurn(turn, delivery))) return 'unknown_lease'
  return lease.version === delivery.version ? undefined : 'wrong_version'
}

/** A first turn follows the prompt, whichever attempt it was leased for. */
function attemptOf(lease: LeaseRecord | 'forgotten' | 'never_granted', delivery: Delivery, sample: Sample | undefined): number {
  if (delivery.turn === 0) return sample?.attempt ?? 0
  return typeof lease === 'object' ? lease.samples.find(turn => sameTurn(turn, delivery))!.attempt : NO_ATTEMPT
}

/** Whether this turn is the one that the rollout lacks next. First turns of all attempts follow the same prompt. */
export function isDue(sample: Sample | undefined, { turn, attempt }: DueTurn): sample is OpenSample {
  return sample?.kind === 'open' && sample.turns.length === turn && (turn === 0 || sample.attempt === attempt)
}

/** The verdict of this turn, or of this peer's former attempt at it. */
function knownVerdict(state: CoordinatorState, peer: string, rollout: DueTurn, sample: Sample | undefined): Verdict | undefined {
  const id = idOf(rollout)
  const refused = sample?.kind === 'open' ? sample.refused.find(refused => refused.peer === peer && refused.turn === rollout.turn) : undefined
  const accepted = rollout.attempt === NO_ATTEMPT || sample?.attempt === rollout.attempt ? sample?.turns[rollout.turn]?.reward : undefined
  const reward = accepted ?? state.learnt.find(group => group.prompt === rollout.prompt)?.rewards[rollout.index]?.[rollout.turn]
  if (reward !== undefined) return { id, outcome: 'accepted', reward }
  return refused === undefined ? undefined : { id, outcome: 'rejected', reason: refused.reason }
}

export function judge(state: CoordinatorState, judged: Judged, effects: CoordinatorEffect[]): void {
  const { rollout, judgement } = judged
  const sample = findSample(state, rollout)
  const due = isDue(sample, rollout)
  if (due) sample.judging = Math.max(0, sample.judging - 1)
  if (judgement.kind === 'rejected') {
    if (sample?.kind === 'open') sample.refused.push({ peer: judged.peer, turn: rollout.turn, reason: judgement.reason })
    reject(state, judged, rollout, judgement.reason, effects)
    return
  }
  if (judgement.kind === 'accepted') recordJudgement(peerRecord(state.peers, judged.peer), { rejected: false })
  const known = knownVerdict(state, judged.peer, rollout, sample)
  if (known !== undefined) {
    effects.push(answer(judged, rollout, known, { first: false }))
  } else if (judgement.kind === 'too_late' || !due || !isUsable(state, rollout.version)) {
    state.counters.stale++
    effects.push(answer(judged, rollout, { id: idOf(rollout), outcome: 'stale' }, { first: true }))
  } else {
    accept(state, judged, sample, judgement, effects)
  }
}

/** The next turn is free to be leased, to whoever asks; after the last one the rollout waits to be learnt from. */
function accept(state: CoordinatorState, judged: Judged, sample: OpenSample, { reward, done }: { readonly reward: number; readonly done: boolean }, effects: CoordinatorEffect[]): void {
  const { rollout } = judged
  sample.turns.push({ version: rollout.version, reward })
  // What is still being judged is of the turn that is no longer due.
  sample.judging = 0
  state.counters.accepted++
  effects.push(answer(judged, rollout, { id: idOf(rollout), outcome: 'accepted', reward }, { first: true }))
  for (const lease of activeLeases(state.leases)) releaseTurn(state, lease, rollout, effects)
  if (!done) return
  const group = state.groups.find(group => group.prompt === rollout.prompt)
  if (group === undefined) throw new Error(`rollout ${idOf(rollout)} was accepted into no group`)
  group.samples[rollout.index] = { kind: 'accepted', attempt: sample.attempt, turns: sample.turns, version: oldestVersion(sample)!, reward }
  state.counters.finished++
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
export function findSample(state: CoordinatorState, { prompt, index }: SampleKey): Sample | undefined {
  const group = state.groups.find(group => group.prompt === prompt) ?? state.learning?.find(group => group.prompt === prompt)
  return group?.samples[index]
}

function idOf(rollout: SampleKey): string {
  return `${rollout.prompt}/${rollout.index}`
}

function answer({ ticket, peer }: Origin, { prompt, index, turn, version }: Delivery, verdict: Verdict, { first }: { readonly first: boolean }): CoordinatorEffect {
  return { kind: 'answered', ticket, peer, rollout: { prompt, index, turn, version }, verdict, first }
}
