/** What the coordinator knows of the peers of a run: their wishes and how their rollouts were judged. */
import type { PeerId, PolicyVersion } from '../protocol/identifiers.ts'

/** A peer with this many rejections among its last judged rollouts gets no more leases. */
const REJECTIONS_TO_EXCLUDE = 3
const JUDGEMENTS_REMEMBERED = 20

export interface PeerRecord {
  readonly id: PeerId
  /** Rollouts that it would take now, at `version`. */
  wish: number
  version: PolicyVersion
  /** Serial number of its last lease: who waited longest is served first. */
  servedAt: number
  /** Newest last; true where rejected. */
  judgements: boolean[]
}

export type PeerTable = Record<PeerId, PeerRecord>

export function peerRecord(peers: PeerTable, id: PeerId): PeerRecord {
  return (peers[id] ??= { id, wish: 0, version: 0, servedAt: -1, judgements: [] })
}

export function recordJudgement(peer: PeerRecord, judgement: { readonly rejected: boolean }): void {
  peer.judgements.push(judgement.rejected)
  if (peer.judgements.length > JUDGEMENTS_REMEMBERED) peer.judgements.shift()
}

export function isExcluded(peer: PeerRecord): boolean {
  return peer.judgements.filter(rejected => rejected).length >= REJECTIONS_TO_EXCLUDE
}

/** A peer that left is remembered only if it was ever caught: it may come back under its name. */
export function dismissPeer(peers: PeerTable, id: PeerId): void {
  const peer = peers[id]
  if (peer === undefined) return
  peer.wish = 0
  if (!peer.judgements.includes(true)) delete peers[id]
}
