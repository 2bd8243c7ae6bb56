/** The table of peers: who is here as they say, who has left as the report has them. Pure. */
import type { PeerState } from '#shared/protocol/peer-status.ts'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import { formatBytes, formatInteger, formatRate, NOT_YET, shortPeerId } from '../presentation/format.ts'
import { runMessages } from '../presentation/run-messages.ts'
import { messages } from './messages.ts'

/** A run may have thousands of tabs; a table of thousands of rows helps nobody and stalls the page. */
export const PEERS_SHOWN = 200

export interface PeerRow {
  readonly id: string
  readonly shortId: string
  readonly state: PeerState | 'gone'
  readonly stateLabel: string
  readonly engine: string
  readonly version: string
  readonly rate: string
  readonly tokens: string
  readonly accepted: string
  readonly rejected: string
  readonly links: string
  readonly fromOrigin: string
  readonly fromPeers: string
}

export interface PeersView {
  readonly rows: readonly PeerRow[]
  readonly hidden: number
  readonly here: number
  readonly gone: number
  /** How far the newest versions have spread: holders per version, newest first; null is "none yet". */
  readonly versionsHeld: readonly { readonly version: number | null; readonly holders: number }[]
}

type LivePeer = RunFeed['peers'][number]
type ReportedPeer = RunFeed['report']['peers'][number]

const engineLabel = (engine: ReportedPeer['engine']) => (engine === null ? NOT_YET : runMessages.engine[engine])

function liveRow({ id, status, accepted, rejected }: LivePeer, reported: ReportedPeer | undefined): PeerRow {
  return {
    id,
    shortId: shortPeerId(id),
    state: status.state,
    stateLabel: runMessages.peerState[status.state],
    engine: engineLabel(status.engine),
    version: status.version === null ? NOT_YET : formatInteger(status.version),
    rate: formatRate(status.tokensPerSecond),
    // Received tokens, as in the report, not what the tab says of itself.
    tokens: formatInteger(reported?.tokens ?? 0),
    accepted: formatInteger(accepted),
    rejected: formatInteger(rejected),
    links: formatInteger(status.links),
    fromOrigin: formatBytes(status.bytesFromOrigin),
    fromPeers: formatBytes(status.bytesFromPeers)
  }
}

function goneRow({ id, engine, tokens, accepted, rejected }: ReportedPeer): PeerRow {
  return {
    id,
    shortId: shortPeerId(id),
    state: 'gone',
    stateLabel: messages.peers.gone,
    engine: engineLabel(engine),
    version: NOT_YET,
    rate: NOT_YET,
    tokens: formatInteger(tokens),
    accepted: formatInteger(accepted),
    rejected: formatInteger(rejected),
    links: NOT_YET,
    fromOrigin: NOT_YET,
    fromPeers: NOT_YET
  }
}

function versionsHeld(peers: readonly LivePeer[]): PeersView['versionsHeld'] {
  const holders = new Map<number | null, number>()
  for (const { status } of peers) holders.set(status.version, (holders.get(status.version) ?? 0) + 1)
  return [...holders].map(([version, n]) => ({ version, holders: n })).toSorted((a, b) => (b.version ?? -1) - (a.version ?? -1))
}

export function peersView(feed: RunFeed): PeersView {
  const reported = new Map(feed.report.peers.map(peer => [peer.id, peer]))
  const here = new Set<string>(feed.peers.map(peer => peer.id))
  // By received tokens, then id: rows rarely trade places while somebody reads them.
  const byTokens = (a: { id: string }, b: { id: string }) => (reported.get(b.id)?.tokens ?? 0) - (reported.get(a.id)?.tokens ?? 0) || (a.id < b.id ? -1 : 1)
  const gone = feed.report.peers.filter(peer => !here.has(peer.id)).toSorted(byTokens)
  const shownHere = feed.peers.toSorted(byTokens).slice(0, PEERS_SHOWN)
  const shownGone = gone.slice(0, PEERS_SHOWN - shownHere.length)
  return {
    rows: [...shownHere.map(peer => liveRow(peer, reported.get(peer.id))), ...shownGone.map(goneRow)],
    hidden: feed.peers.length + gone.length - shownHere.length - shownGone.length,
    here: feed.peers.length,
    gone: gone.length,
    versionsHeld: versionsHeld(feed.peers)
  }
}
