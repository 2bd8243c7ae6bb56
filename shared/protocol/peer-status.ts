import { count, finite, peerId, policyVersion } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { v } from './schema.ts'

export const ENGINE_KINDS = ['webgpu', 'wasm'] as const

export const PEER_STATES = ['joining', 'fetching', 'testing', 'waiting', 'generating', 'computing', 'paused', 'stopped'] as const
export type PeerState = (typeof PEER_STATES)[number]

/** To another tab: `direct`; by a TURN server, reached over what; `turn`: by the other tab's; `socket`: no link, the signaling server passes hidden states on. */
export const LINK_PATHS = ['direct', 'turn_udp', 'turn_tcp', 'turn_tls', 'turn', 'socket'] as const

export const linkStatus = v.strictObject({
  peer: peerId,
  path: v.picklist(LINK_PATHS),
  /** null while it has not been measured. */
  roundTripMs: v.nullable(v.pipe(finite, v.minValue(0))),
  bytesSent: count,
  bytesReceived: count
})
export type LinkStatus = v.InferOutput<typeof linkStatus>

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
  links: v.pipe(count, v.maxValue(LIMITS.linksPerPeer)),
  /** Which way each takes, and the neighbours in a pipeline that are reached without one. Absent where there are none. */
  paths: v.exactOptional(v.pipe(v.array(linkStatus), v.maxLength(LIMITS.pathsPerPeer)))
})
export type PeerStatus = v.InferOutput<typeof peerStatus>
