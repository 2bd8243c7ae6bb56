/** When the signaling server is asked which chunks to take from the origin: part of the fetching machine. */
import type { ContentHash, PolicyVersion } from '../protocol/identifiers.ts'
import type { GrantNeed } from '../protocol/volunteer-messages.ts'
import { chunksOfFasterOrigin } from './faster-origin.ts'
import { isOffered, type ChunkFetcher, type FetchContext } from './fetcher-state.ts'

export interface VersionGrants {
  /** Whole weights: it matters from where they come fastest. */
  isWhole: boolean
  /** What was asked for and is not answered yet. */
  asking: GrantNeed | undefined
  /** What was answered last: `share` again until there is none left, then only in need. */
  need: GrantNeed
  askedAt: number
  /** Before then it is not looked at whether the origin is faster. */
  fasterNotBefore: number
  /** To be taken from the origin and not here yet. */
  readonly granted: Set<ContentHash>
}

export function beginGrants(): VersionGrants {
  return { isWhole: false, asking: undefined, need: 'share', askedAt: Number.NEGATIVE_INFINITY, fasterNotBefore: Number.NEGATIVE_INFINITY, granted: new Set() }
}

/** To be answered by exactly one `origin_granted` or `grant_unanswered`. */
export interface AskGrant {
  readonly kind: 'ask_grant'
  readonly version: PolicyVersion
  readonly need: GrantNeed
  /** Nothing else is of use. Absent: whatever there is of the version. */
  readonly chunks?: readonly ContentHash[]
}

export function askGrants(fetcher: ChunkFetcher, { now, rng }: FetchContext): AskGrant[] {
  const asked: AskGrant[] = []
  for (const [version, grants] of fetcher.versions) {
    if (grants.asking !== undefined || grants.granted.size > 0) continue
    const need = needOf(fetcher, version, grants, now)
    if (need !== undefined) {
      grants.asking = need
      grants.askedAt = now
      asked.push({ kind: 'ask_grant', version, need })
    } else if (grants.isWhole && now >= grants.fasterNotBefore) {
      const chunks = chunksOfFasterOrigin(fetcher, version, rng)
      grants.fasterNotBefore = now + (chunks.length === 0 ? fetcher.options.tickMs : fetcher.options.fasterRetryMs)
      if (chunks.length === 0) continue
      grants.asking = 'faster'
      asked.push({ kind: 'ask_grant', version, need: 'faster', chunks })
    }
  }
  return asked
}

function needOf(fetcher: ChunkFetcher, version: PolicyVersion, { need, askedAt }: VersionGrants, now: number): GrantNeed | undefined {
  if (need === 'share') return 'share'
  const { options, progressAt, links } = fetcher
  const waited = now - Math.max(progressAt, askedAt)
  const hasAskedSince = askedAt > progressAt
  if (waited < options.forsakenMs || (waited < options.starvingMs && (hasAskedSince || !isForsaken(fetcher, version)))) return undefined
  return links.size === 0 ? 'alone' : 'starving'
}

/** Nobody who is linked says that it has any of what is missing: who had it may have left, and no waiting helps. */
function isForsaken(fetcher: ChunkFetcher, version: PolicyVersion): boolean {
  return [...fetcher.wanted.values()].every(wanted => wanted.version !== version || (wanted.source === undefined && !isOffered(fetcher, wanted.chunk.hash)))
}

export function takeGrant({ versions, wanted, forOrigin }: ChunkFetcher, version: PolicyVersion, hashes: readonly ContentHash[]): void {
  const grants = versions.get(version)
  if (grants === undefined) return
  const asked = grants.asking
  grants.asking = undefined
  for (const hash of hashes) {
    const chunk = wanted.get(hash)
    if (chunk?.version !== version) continue
    // Somebody who has it has been asked meanwhile.
    if (asked === 'faster' && chunk.source !== undefined) continue
    grants.granted.add(hash)
    if (chunk.source === undefined) forOrigin.add(hash)
  }
  // Nothing is left to share: from now on only in need.
  if (asked === 'share') grants.need = grants.granted.size === 0 ? 'starving' : 'share'
  else if (asked !== undefined) grants.need = asked
  if (asked === 'faster' && grants.granted.size > 0) grants.fasterNotBefore = Number.NEGATIVE_INFINITY
}

/** The server is away, but its origin may answer: nobody waits for a leave that cannot be given. */
export function takeNoGrant({ versions, wanted, forOrigin, links }: ChunkFetcher, version: PolicyVersion): void {
  const grants = versions.get(version)
  if (grants === undefined) return
  const wasInNeed = grants.asking === 'starving' || grants.asking === 'alone'
  grants.asking = undefined
  grants.need = 'starving'
  if (!wasInNeed) return
  for (const [hash, chunk] of wanted) {
    if (chunk.version !== version || chunk.source !== undefined) continue
    forOrigin.add(hash)
    // Others may still pass on the rest.
    if (links.size > 0) return
  }
}

/** The chunk is here, or not wanted any more. */
export function forgetGrant({ versions, wanted }: ChunkFetcher, hash: ContentHash): void {
  for (const { granted } of versions.values()) granted.delete(hash)
  if (versions.size === 0) return
  const needed = new Set<PolicyVersion>()
  for (const { version } of wanted.values()) needed.add(version)
  for (const version of versions.keys()) if (!needed.has(version)) versions.delete(version)
}
