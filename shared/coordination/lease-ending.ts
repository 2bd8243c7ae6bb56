import type { CoordinatorEffect, CoordinatorState } from './coordinator-state.ts'
import { deliver, type LeaseEnding, type LeaseRecord, type SampleKey, type TurnKey } from './lease-table.ts'

/** Ends a lease once and frees what it still waited for. */
export function endLease(state: CoordinatorState, lease: LeaseRecord, ending: LeaseEnding, effects: CoordinatorEffect[]): void {
  if (lease.ending !== null) throw new Error(`lease ${lease.id} ended twice: ${lease.ending}, then ${ending}`)
  lease.ending = ending
  for (const key of lease.outstanding) freeSample(state, lease, key)
  lease.outstanding = []
  effects.push({ kind: 'lease_ended', lease: lease.id, ending })
}

/** The lease waits for this turn no longer, whatever was delivered; the last one settles it. */
export function releaseTurn(state: CoordinatorState, lease: LeaseRecord, key: Omit<TurnKey, 'attempt'>, effects: CoordinatorEffect[]): void {
  if (lease.ending !== null) return
  freeSample(state, lease, key)
  if (deliver(lease, key)) endLease(state, lease, 'settled', effects)
}

function freeSample(state: CoordinatorState, lease: LeaseRecord, { prompt, index }: SampleKey): void {
  const sample = state.groups.find(group => group.prompt === prompt)?.samples[index]
  if (sample?.kind === 'open' && sample.lease === lease.id) sample.lease = null
}
