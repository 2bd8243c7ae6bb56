/** Which policy versions the tab knows of, fetches, holds and gives up. */
import { queuedVersions } from './lease-queue.ts'
import { forgetBatch } from './volunteer-engine.ts'
import type { AnnouncedVersion, VolunteerEffect, VolunteerState } from './volunteer-state.ts'

type Emit = (effect: VolunteerEffect) => void

/** Adapters kept beside the base: one in use, one leased, and room for leases that cross an announcement. */
const VERSIONS_KEPT = 4

/** An announcement below what is known comes from a trainer that resumed from a checkpoint: its later versions will be others. */
export function announce(state: VolunteerState, { version, manifestHash }: AnnouncedVersion, emit: Emit): void {
  for (const [known, hash] of state.announced) {
    if (known < version || (known === version && hash === manifestHash)) continue
    dropVersion(state, known, emit)
  }
  state.announced.set(version, manifestHash)
  state.newest = version
}

/** The trainer brings the base and the newest version to an origin that has lost them; any other that is gone stays gone. */
export function versionUnavailable(state: VolunteerState, { version, manifestHash }: AnnouncedVersion, emit: Emit): void {
  if (state.announced.get(version) !== manifestHash || version === state.newest || version === state.run?.base.version) return
  dropVersion(state, version, emit)
}

export function fetchNext(state: VolunteerState, emit: Emit): void {
  if (state.fetching !== null) return
  const wanted = [state.run!.base.version, ...queuedVersions(state.queue), state.newest]
  const next = wanted.find(version => state.announced.has(version) && !state.ready.includes(version))
  if (next === undefined) return
  state.fetching = next
  emit({ kind: 'fetch_version', version: next, manifestHash: state.announced.get(next)! })
}

export function touch(state: VolunteerState, version: number): void {
  state.ready = [...state.ready.filter(ready => ready !== version), version]
}

export function tellHeld(state: VolunteerState, version: number, emit: Emit): void {
  if (state.joined) emit({ kind: 'tell_held', version, manifestHash: state.announced.get(version)! })
}

export function forgetOld(state: VolunteerState, emit: Emit): void {
  const needed = new Set([state.run!.base.version, state.newest, ...queuedVersions(state.queue)])
  while (state.ready.length > VERSIONS_KEPT + 1) {
    const oldest = state.ready.find(version => !needed.has(version) && state.announced.get(version) !== state.inUse)
    if (oldest === undefined) return
    dropVersion(state, oldest, emit)
  }
}

/** Leases of a version that cannot be had any more go back to the trainer by expiring. */
export function dropVersion(state: VolunteerState, version: number, emit: Emit): void {
  const manifestHash = state.announced.get(version)
  if (manifestHash === undefined) return
  state.announced.delete(version)
  state.queue.leases = state.queue.leases.filter(lease => lease.version !== version)
  for (const batch of state.running.filter(running => running.version === version)) forgetBatch(state, batch)
  if (state.inUse === manifestHash) state.inUse = null
  if (state.fetching === version) state.fetching = null
  if (state.joined && state.ready.includes(version)) emit({ kind: 'tell_dropped', version, manifestHash })
  state.ready = state.ready.filter(ready => ready !== version)
  emit({ kind: 'forget_version', version, manifestHash })
}
