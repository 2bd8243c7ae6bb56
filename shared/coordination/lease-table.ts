/**
 * Who was asked for what. A lease ends exactly once; afterwards it is remembered as long as a late result of it could
 * still be learnt from.
 */
import type { LeaseId, PeerId, PolicyVersion } from '../protocol/identifiers.ts'

/** One sample of one prompt: the place that a rollout fills. */
export interface SampleKey {
  readonly prompt: number
  readonly index: number
}

/** What is leased of a sample: one turn of its rollout. */
export interface TurnKey extends SampleKey {
  /** From 0. */
  readonly turn: number
  /** Of the sample, when the turn was leased: another attempt's turn follows other tokens. Of no account for the first turn. */
  readonly attempt: number
}

/** `settled`: nothing of it is missing any more; `lost`: its holder left or was excluded; `stale`: too old to be learnt from. */
export type LeaseEnding = 'settled' | 'expired' | 'lost' | 'stale'

export interface LeaseRecord {
  readonly id: LeaseId
  /** Grows with every lease. */
  readonly serial: number
  readonly peer: PeerId
  readonly version: PolicyVersion
  readonly samples: readonly TurnKey[]
  readonly deadlineMs: number
  /** Samples that nobody has delivered yet. */
  outstanding: TurnKey[]
  ending: LeaseEnding | null
}

export interface LeaseTable {
  /** Raised whenever the table is restored: leases that were granted after the last snapshot are recognised by it. */
  epoch: number
  next: number
  leases: Record<LeaseId, LeaseRecord>
  /** Versions after `version`, as leases up to `epoch` knew them, are lost; others bear their numbers now. */
  readonly lost: { readonly epoch: number; readonly version: PolicyVersion }[]
}

export function createLeaseTable(): LeaseTable {
  return { epoch: 0, next: 0, leases: {}, lost: [] }
}

export function sameTurn(a: Omit<TurnKey, 'attempt'>, b: Omit<TurnKey, 'attempt'>): boolean {
  return a.prompt === b.prompt && a.index === b.index && a.turn === b.turn
}

export function openLease(table: LeaseTable, lease: Omit<LeaseRecord, 'id' | 'serial' | 'outstanding' | 'ending'>): LeaseRecord {
  const serial = table.next++
  const id = `l${table.epoch}-${serial}`
  const record: LeaseRecord = { ...lease, id, serial, outstanding: [...lease.samples], ending: null }
  table.leases[id] = record
  return record
}

/** `forgotten`: it was ours once, and whatever it brings is too old; `never_granted`: its holder made it up. */
export function findLease(table: LeaseTable, id: LeaseId): LeaseRecord | 'forgotten' | 'never_granted' {
  const record = Object.hasOwn(table.leases, id) ? table.leases[id] : undefined
  if (record !== undefined) return record
  const [, epoch, serial] = /^l(\d+)-(\d+)$/.exec(id) ?? []
  if (epoch === undefined || Number(epoch) > table.epoch) return 'never_granted'
  return Number(epoch) === table.epoch && Number(serial) >= table.next ? 'never_granted' : 'forgotten'
}

/** Whether what the lease's holder sampled is of a version that was lost with a damaged checkpoint. */
export function isOfLostVersion(table: LeaseTable, id: LeaseId, version: PolicyVersion): boolean {
  const epoch = Number(/^l(\d+)-/.exec(id)?.[1])
  return table.lost.some(lost => epoch <= lost.epoch && version > lost.version)
}

export function activeLeases(table: LeaseTable): LeaseRecord[] {
  return Object.values(table.leases).filter(lease => lease.ending === null)
}

/** @returns whether this delivered the last sample that the lease waited for */
export function deliver(lease: LeaseRecord, turn: Omit<TurnKey, 'attempt'>): boolean {
  const before = lease.outstanding.length
  lease.outstanding = lease.outstanding.filter(other => !sameTurn(other, turn))
  return before > 0 && lease.outstanding.length === 0
}

/** Ended leases that the predicate names are forgotten. */
export function forgetLeases(table: LeaseTable, tooOld: (lease: LeaseRecord) => boolean): void {
  for (const lease of Object.values(table.leases)) if (lease.ending !== null && tooOld(lease)) delete table.leases[lease.id]
}

/** @returns undefined while nothing is leased */
export function earliestDeadline(table: LeaseTable): number | undefined {
  let earliest: number | undefined
  for (const lease of activeLeases(table)) if (earliest === undefined || lease.deadlineMs < earliest) earliest = lease.deadlineMs
  return earliest
}
