/**
 * A tab's profile of itself: measured while it works, never looked up by a device's name. Samples go in as they happen, estimates come
 * out when they are asked for; old samples count for less and less, or not at all.
 */
import { LIMITS } from '../protocol/limits.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import type { ProfileReport } from '../protocol/profile-report.ts'
import { createLayerCostFit, fittedLayerCost, observeLayerCost, type LayerCostFit } from './layer-cost.ts'
import type { MemoryBudget } from './memory-budget.ts'
import { createWindowedExtremum, extremum, observe, type WindowedExtremum } from './windowed-extremum.ts'

export type ProfileSample =
  /** A step of `layers` layers; rows are sequences in decode, tokens of all prompts together in prefill. */
  | { readonly kind: 'decode' | 'prefill'; readonly rows: number; readonly layers: number; readonly ms: number }
  /** An acknowledged transfer to a peer that kept the link busy. */
  | { readonly kind: 'upload'; readonly bytes: number; readonly ms: number }
  | { readonly kind: 'round_trip'; readonly peer: PeerId; readonly ms: number }
  | { readonly kind: 'link_gone'; readonly peer: PeerId }

/** Plain data. */
export interface DeviceProfile {
  readonly engine: ProfileReport['engine']
  readonly memory: MemoryBudget
  readonly decode: LayerCostFit
  readonly prefill: LayerCostFit
  readonly uplink: WindowedExtremum
  readonly roundTrips: Record<PeerId, WindowedExtremum>
}

/** Paths change within minutes; a minute holds enough pings that one of them met empty queues. */
export const ROUND_TRIP_WINDOW_MS = 60_000
export const BANDWIDTH_WINDOW_MS = 120_000

export function createDeviceProfile(engine: ProfileReport['engine'], memory: MemoryBudget): DeviceProfile {
  return {
    engine,
    memory,
    decode: createLayerCostFit(),
    prefill: createLayerCostFit(),
    uplink: createWindowedExtremum('maximum', BANDWIDTH_WINDOW_MS),
    roundTrips: {}
  }
}

/** @param nowMs never less than at the sample before */
export function observeSample(profile: DeviceProfile, sample: ProfileSample, nowMs: number): void {
  switch (sample.kind) {
    case 'decode':
    case 'prefill':
      observeLayerCost(profile[sample.kind], { rows: sample.rows, ms: sample.ms / sample.layers }, nowMs)
      break
    case 'upload':
      if (sample.ms > 0) observe(profile.uplink, (1000 * sample.bytes) / sample.ms, nowMs)
      break
    case 'round_trip':
      observe((profile.roundTrips[sample.peer] ??= createWindowedExtremum('minimum', ROUND_TRIP_WINDOW_MS)), sample.ms, nowMs)
      break
    case 'link_gone':
      delete profile.roundTrips[sample.peer]
  }
}

/** @returns undefined until both prefill and decode were measured */
export function reportProfile(profile: DeviceProfile, nowMs: number): ProfileReport | undefined {
  const decode = fittedLayerCost(profile.decode)
  const prefill = fittedLayerCost(profile.prefill)
  if (decode === undefined || prefill === undefined) return undefined
  const roundTrips = Object.entries(profile.roundTrips).flatMap(([peer, window]) => {
    const ms = extremum(window, nowMs)
    return ms === undefined ? [] : [{ peer, ms }]
  })
  return {
    engine: profile.engine,
    decode,
    prefill,
    ...profile.memory,
    uplinkBytesPerSecond: extremum(profile.uplink, nowMs) ?? null,
    roundTrips: roundTrips.toSorted((left, right) => left.ms - right.ms).slice(0, LIMITS.linksPerPeer)
  }
}
