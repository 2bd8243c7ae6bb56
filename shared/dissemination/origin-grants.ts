/**
 * Who takes which chunk from the origin: every chunk goes out once, to whoever asks first, in shares that follow the askers' uplinks; the
 * tabs give it to each other. What was somebody's who left is anybody's again, and so is, after a while, what somebody misses who
 * gets nothing from others or gets it faster from the origin. Versions share chunks, and what of them was granted.
 */
import type { ContentHash, PeerId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { GrantNeed } from '../protocol/volunteer-messages.ts'
import { originShare, type Uplink } from './origin-share.ts'

export interface OriginGrants {
  /** When a chunk was granted last, in milliseconds. Absent: to nobody, or to somebody who left. */
  readonly grantedAt: Map<ContentHash, number>
  /** What they were granted and others may not have yet. */
  readonly byPeer: Map<PeerId, Set<ContentHash>>
}

/** A chunk that was granted so long ago and has not reached everybody may have got stuck. */
export const GRANT_AGAIN_MS = 4_000
/** Chunks that somebody is given at a time who gets nothing from others. */
const STARVING_MOST = 4
/** To whoever the origin is faster for than all its neighbours, a chunk goes out again after so long. */
export const FASTER_AGAIN_MS = 10_000
/** Chunks that the origin sends at the same time: the fewer, the sooner the first are whole and passed on; one receiver's way may be narrower than the origin's. */
export const ORIGIN_RESPONSES = 4

export function createOriginGrants(): OriginGrants {
  return { grantedAt: new Map(), byPeer: new Map() }
}

export interface GrantRequest {
  readonly peer: PeerId
  /** What it needs of a version. */
  readonly chunks: readonly ContentHash[]
  /** Nothing else of these is of use to it. Absent: all are. */
  readonly only?: ReadonlySet<ContentHash>
  /** In bytes per second, as it was measured. */
  readonly uplink: Uplink
  /** Of all peers that lack the version, the asking one included. */
  readonly uplinks: readonly Uplink[]
  readonly need: GrantNeed
}

/** @returns what of the chunks the peer shall take from the origin now */
export function grantOrigin(grants: OriginGrants, { peer, chunks: ofVersion, only, uplink, uplinks, need }: GrantRequest, now: number): readonly ContentHash[] {
  const { grantedAt } = grants
  const chunks = only === undefined ? ofVersion : ofVersion.filter(chunk => only.has(chunk))
  const given = chooseChunks()
  const ofPeer = grants.byPeer.get(peer) ?? new Set()
  grants.byPeer.set(peer, ofPeer)
  for (const chunk of given) {
    grantedAt.set(chunk, now)
    ofPeer.add(chunk)
  }
  return given

  function chooseChunks(): readonly ContentHash[] {
    switch (need) {
      case 'share':
        return chunks.filter(chunk => !grantedAt.has(chunk)).slice(0, originShare(ofVersion.length, uplink, uplinks))
      case 'alone':
        return chunks
      case 'starving':
        return grantedBefore(now - GRANT_AGAIN_MS).slice(0, STARVING_MOST)
      case 'faster':
        return grantedBefore(now - FASTER_AGAIN_MS).slice(0, LIMITS.chunksInGrantRequest)
    }
  }

  /** The oldest first. */
  function grantedBefore(latest: number): readonly ContentHash[] {
    return chunks
      .map(chunk => ({ chunk, at: grantedAt.get(chunk) ?? Number.NEGATIVE_INFINITY }))
      .filter(({ at }) => at <= latest)
      .toSorted((left, right) => left.at - right.at)
      .map(({ chunk }) => chunk)
  }
}

/** It has all of these by now: others may have them from it, and they stay granted when it leaves. */
export function settleGrants({ byPeer }: OriginGrants, peer: PeerId, chunks: readonly ContentHash[]): void {
  const ofPeer = byPeer.get(peer)
  for (const chunk of chunks) ofPeer?.delete(chunk)
}

/** It left. */
export function returnGrants({ grantedAt, byPeer }: OriginGrants, peer: PeerId): void {
  for (const chunk of byPeer.get(peer) ?? []) grantedAt.delete(chunk)
  byPeer.delete(peer)
}

/** The origin has these only by now. */
export function keepGrants({ grantedAt, byPeer }: OriginGrants, kept: ReadonlySet<ContentHash>): void {
  for (const chunk of grantedAt.keys()) if (!kept.has(chunk)) grantedAt.delete(chunk)
  for (const ofPeer of byPeer.values()) for (const chunk of ofPeer) if (!kept.has(chunk)) ofPeer.delete(chunk)
}
