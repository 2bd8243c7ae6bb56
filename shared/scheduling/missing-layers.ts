/** Why part of the model cannot be served: what callers and the dashboard are told instead of waiting for ever. */
import type { LayerRange } from './layer-range.ts'

/**
 * `absent_peer`: nobody who is ready hosts the layers.
 * `no_memory`: their hosts, or those who could become it, have no memory left for them.
 * `no_link`: they are hosted, but no link leads to them from the layers before, or back from them to the first.
 * `stale_version`: they are hosted, but not at the version that is asked for.
 */
export const MISSING_REASONS = ['absent_peer', 'no_memory', 'no_link', 'stale_version'] as const
export type MissingReason = (typeof MISSING_REASONS)[number]

export interface MissingLayers {
  readonly layers: LayerRange
  readonly reason: MissingReason
}

/**
 * @param reasons one of each layer, undefined where it is served
 * @returns runs of neighbouring layers with the same reason, in order
 */
export function missingLayers(reasons: readonly (MissingReason | undefined)[]): MissingLayers[] {
  const missing: { layers: { start: number; end: number }; reason: MissingReason }[] = []
  reasons.forEach((reason, layer) => {
    if (reason === undefined) return
    const last = missing.at(-1)
    if (last?.reason === reason && last.layers.end === layer) last.layers.end = layer + 1
    else missing.push({ layers: { start: layer, end: layer + 1 }, reason })
  })
  return missing
}
