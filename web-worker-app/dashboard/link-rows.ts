/** The table of links, from what both ends of each say. Pure. */
import type { LinkStatus } from '#shared/protocol/peer-status.ts'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import { formatBytes, formatMilliseconds, NOT_YET, shortPeerId } from '../presentation/format.ts'
import { runMessages } from '../presentation/run-messages.ts'

export const LINKS_SHOWN = 200

export interface LinkRow {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly path: LinkStatus['path']
  readonly pathLabel: string
  readonly roundTrip: string
  /** To the second tab, and from it. */
  readonly sent: string
  readonly received: string
}

export interface LinksView {
  readonly rows: readonly LinkRow[]
  readonly hidden: number
}

/** One row for each pair. Only the end whose relay it is knows how that one is reached, so its word goes first. */
export function linksView(feed: RunFeed): LinksView {
  const pairs = new Map<string, { readonly from: string; readonly link: LinkStatus }>()
  for (const { id: from, status } of feed.peers) {
    for (const link of status.paths ?? []) {
      const pair = from < link.peer ? `${from}-${link.peer}` : `${link.peer}-${from}`
      const known = pairs.get(pair)
      if (known === undefined || known.link.path === 'turn') pairs.set(pair, { from, link })
    }
  }
  const rows = [...pairs].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([id, { from, link }]) => row(id, from, link))
  return { rows: rows.slice(0, LINKS_SHOWN), hidden: Math.max(0, rows.length - LINKS_SHOWN) }
}

function row(id: string, from: string, { peer, path, roundTripMs, bytesSent, bytesReceived }: LinkStatus): LinkRow {
  return {
    id,
    from: shortPeerId(from),
    to: shortPeerId(peer),
    path,
    pathLabel: runMessages.linkPath[path],
    roundTrip: roundTripMs === null ? NOT_YET : formatMilliseconds(roundTripMs),
    sent: formatBytes(bytesSent),
    received: formatBytes(bytesReceived)
  }
}
