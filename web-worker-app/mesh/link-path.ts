import type { LinkStatus } from '#shared/protocol/peer-status.ts'

/** One entry of what `RTCPeerConnection.getStats()` resolves with (W3C WebRTC Statistics), with the fields that are read here. */
interface Stats {
  readonly type: string
  readonly selectedCandidatePairId?: string
  readonly localCandidateId?: string
  readonly remoteCandidateId?: string
  readonly state?: string
  readonly nominated?: boolean
  /** Seconds. */
  readonly currentRoundTripTime?: number
  readonly bytesSent?: number
  readonly bytesReceived?: number
  readonly candidateType?: string
  readonly relayProtocol?: string
}

type Measured = Omit<LinkStatus, 'peer'>

/** Which way a connection takes, from its statistics; undefined while it has chosen none. */
export function linkPath(report: ReadonlyMap<string, Stats>): Measured | undefined {
  const entries = [...report.values()]
  const transport = entries.find(({ type, selectedCandidatePairId }) => type === 'transport' && selectedCandidatePairId !== undefined)
  const pairs = entries.filter(({ type }) => type === 'candidate-pair')
  // Firefox tells of no transport.
  const pair = transport === undefined ? pairs.find(({ state, nominated }) => state === 'succeeded' && nominated === true) : report.get(transport.selectedCandidatePairId!)
  if (pair === undefined) return undefined
  const local = report.get(pair.localCandidateId ?? '')
  const remote = report.get(pair.remoteCandidateId ?? '')
  return {
    path: local?.candidateType === 'relay' ? ownRelay(local.relayProtocol) : remote?.candidateType === 'relay' ? 'turn' : 'direct',
    roundTripMs: pair.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    // Each pair knows only of its own, and another may have been selected since the link came up.
    bytesSent: transport?.bytesSent ?? sum(pairs, 'bytesSent'),
    bytesReceived: transport?.bytesReceived ?? sum(pairs, 'bytesReceived')
  }
}

function ownRelay(protocol: string | undefined): Measured['path'] {
  return protocol === 'udp' || protocol === 'tcp' || protocol === 'tls' ? `turn_${protocol}` : 'turn'
}

function sum(pairs: readonly Stats[], bytes: 'bytesSent' | 'bytesReceived'): number {
  return pairs.reduce((total, pair) => total + (pair[bytes] ?? 0), 0)
}

/** Those that are up. */
export type ConnectionsOf = () => Iterable<readonly [peer: string, connection: RTCPeerConnection]>

const INTERVAL_MS = 2000

/** Reads at intervals which way each connection takes. */
export class LinkPaths {
  readonly #connections: ConnectionsOf
  readonly #changed: () => void
  readonly #timer = setInterval(() => void this.#read(), INTERVAL_MS)
  #links: readonly LinkStatus[] = []

  constructor(connections: ConnectionsOf, changed: () => void) {
    this.#connections = connections
    this.#changed = changed
  }

  /** As last read. */
  get links(): readonly LinkStatus[] {
    return this.#links
  }

  close(): void {
    clearInterval(this.#timer)
    this.#links = []
  }

  async #read(): Promise<void> {
    const links = await Promise.all(
      [...this.#connections()].map(async ([peer, connection]): Promise<LinkStatus[]> => {
        const measured = linkPath(new Map(await connection.getStats()) as ReadonlyMap<string, Stats>)
        return measured === undefined ? [] : [{ peer, ...measured }]
      })
    )
    this.#links = links.flat()
    this.#changed()
  }
}
