/**
 * Who takes which chunk of a version from the origin: every chunk goes out once, to whoever asks first, in shares of what the
 * askers lack; the tabs give it to each other. What was somebody's who left is anybody's again, and so is, after a while, what
 * somebody misses who gets nothing from others.
 */
import type { PeerId } from '../protocol/identifiers.ts'
import type { GrantNeed } from '../protocol/volunteer-messages.ts'

export interface OriginGrants {
  /** By chunk, when it was granted last, in milliseconds; -Infinity: to nobody, or to somebody who left. */
  readonly grantedAt: Float64Array
  readonly byPeer: Map<PeerId, Set<number>>
}

/** A chunk that was granted so long ago and has not reached everybody may have got stuck. */
export const GRANT_AGAIN_MS = 4_000
/** Chunks that somebody is given at a time who gets nothing from others. */
const STARVING_MOST = 4

export function createOriginGrants(chunks: number): OriginGrants {
  return { grantedAt: new Float64Array(chunks).fill(Number.NEGATIVE_INFINITY), byPeer: new Map() }
}

export interface GrantRequest {
  readonly peer: PeerId
  /** Indices of the chunks of its layers. */
  readonly chunks: readonly number[]
  /** Peers that lack the version, the asking one included. */
  readonly sharers: number
  readonly need: GrantNeed
}

/** @returns indices that the peer shall take from the origin now */
export function grantOrigin(grants: OriginGrants, { peer, chunks, sharers, need }: GrantRequest, now: number): readonly number[] {
  const { grantedAt } = grants
  const given = chooseChunks()
  const ofPeer = grants.byPeer.get(peer) ?? new Set()
  grants.byPeer.set(peer, ofPeer)
  for (const chunk of given) {
    grantedAt[chunk] = now
    ofPeer.add(chunk)
  }
  return given

  function chooseChunks(): readonly number[] {
    switch (need) {
      case 'share':
        return chunks.filter(chunk => grantedAt[chunk] === Number.NEGATIVE_INFINITY).slice(0, Math.ceil(chunks.length / Math.max(1, sharers)))
      case 'alone':
        return chunks
      case 'starving':
        return chunks
          .filter(chunk => now - grantedAt[chunk]! >= GRANT_AGAIN_MS)
          .toSorted((left, right) => grantedAt[left]! - grantedAt[right]!)
          .slice(0, STARVING_MOST)
    }
  }
}

/** It left. @param held it had the whole version: what it took, others may have from it by now */
export function returnGrants(grants: OriginGrants, peer: PeerId, held: boolean): void {
  const ofPeer = grants.byPeer.get(peer)
  grants.byPeer.delete(peer)
  if (held) return
  for (const chunk of ofPeer ?? []) grants.grantedAt[chunk] = Number.NEGATIVE_INFINITY
}
