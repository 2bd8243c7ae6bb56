import { count, finite, peerId } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { ENGINE_KINDS } from './peer-status.ts'
import { v } from './schema.ts'

const MILLISECONDS_MOST = 600_000
const milliseconds = v.pipe(finite, v.minValue(0), v.maxValue(MILLISECONDS_MOST))
export const layerCost = v.strictObject({ fixedMs: milliseconds, perRowMs: milliseconds })

/** What a tab measured of itself and its links. Layers and chains are planned with it; nobody's reward depends on it. */
export const profileReport = v.strictObject({
  engine: v.picklist(ENGINE_KINDS),
  /** Per layer and step: rows are sequences in decode, prompt tokens in prefill. */
  decode: layerCost,
  prefill: layerCost,
  /** For weights and KV of its slice. */
  memoryBytes: count,
  /** No single tensor may be larger. */
  largestTensorBytes: count,
  /** null: not measured lately. */
  uplinkBytesPerSecond: v.nullable(v.pipe(finite, v.minValue(0))),
  roundTrips: v.pipe(v.array(v.strictObject({ peer: peerId, ms: milliseconds })), v.maxLength(LIMITS.linksPerPeer))
})
export type ProfileReport = v.InferOutput<typeof profileReport>
