import { count, finite, policyVersion } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { v } from './schema.ts'

export const ENGINE_KINDS = ['webgpu', 'wasm'] as const

export const PEER_STATES = ['joining', 'fetching', 'testing', 'waiting', 'generating', 'computing', 'paused', 'stopped'] as const
export type PeerState = (typeof PEER_STATES)[number]

/** What a tab says about itself, at most once a second. Shown to people; nothing is decided by it but display. */
export const peerStatus = v.strictObject({
  state: v.picklist(PEER_STATES),
  engine: v.nullable(v.picklist(ENGINE_KINDS)),
  /** Version ready to sample with; null before the first. */
  version: v.nullable(policyVersion),
  tokens: count,
  tokensPerSecond: v.pipe(finite, v.minValue(0)),
  bytesFromOrigin: count,
  bytesFromPeers: count,
  links: v.pipe(count, v.maxValue(LIMITS.linksPerPeer))
})
export type PeerStatus = v.InferOutput<typeof peerStatus>
