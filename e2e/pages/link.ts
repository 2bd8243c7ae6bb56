/** Both ends of a link over channels of each kind, and of a relay, for `link.spec.ts`. */
import { transfer, wrap } from 'comlink'
import { bridgeChannel } from '#web-worker-app/mesh/channel-bridge.ts'
import { memoryChannels } from '#web-worker-app/mesh/memory-channel.ts'
import type { LinkChannels } from '#web-worker-app/mesh/link.ts'
import { PeerConnections } from '#web-worker-app/mesh/peer-connections.ts'
import type { LinkWorker } from './link-worker.ts'
import type { Heard } from './hearing.ts'
import { RecordedLink, type GivenPiece } from './recorded-link.ts'
import { RecordedRelay } from './recorded-relay.ts'

export type ChannelKind = 'transferred' | 'bridged' | 'memory'

/** As the page sees an end of whatever hidden states go over, wherever it is. */
interface StageEnd {
  sayAll(of: number): Promise<void> | void
  close(): Promise<void> | void
  hears(kind: Heard['kind'], count: number): Promise<Heard[]>
}

interface LinkEnd extends StageEnd {
  sendPiecesThenFragments(pieces: number, fragments: number): Promise<void> | void
  given(): Promise<GivenPiece[]> | GivenPiece[]
  sendUnchecked(name: 'control' | 'bulk' | 'stages', bytes: number): Promise<void> | void
}

interface Tab {
  readonly end: LinkEnd
  readonly connections: PeerConnections
}

function inMemory(atUp: number): LinkEnd[] {
  const { ends, connect } = memoryChannels()
  const links = ends.map(channels => {
    const link = new RecordedLink()
    link.open(channels, atUp)
    return link
  })
  connect()
  return links
}

/** What of a tab has to do with its links: connections here, channels with a worker. */
function openTab(kind: 'transferred' | 'bridged', atUp: number, signal: (data: string) => void): Tab {
  const worker = wrap<LinkWorker>(new Worker(new URL('./link-worker.ts', import.meta.url), { type: 'module' }))
  const addLink = async (id: number, { control, bulk, stages }: LinkChannels<RTCDataChannel>): Promise<void> => {
    const ends = kind === 'transferred' ? { control, bulk, stages } : { control: bridgeChannel(control), bulk: bridgeChannel(bulk), stages: bridgeChannel(stages) }
    await worker.open(transfer(ends, Object.values(ends)), atUp)
    await worker.hears('up', 1)
    connections.up(id)
    await worker.ended()
    connections.lose(id)
  }
  const connections: PeerConnections = new PeerConnections(() => ({ iceServers: [] }), {
    channels: (_, id, channels) => void addLink(id, channels),
    closed: () => void worker.close(),
    linkUp: () => undefined,
    linkDown: () => undefined,
    linkLost: () => undefined,
    connectionsUsedUp: () => undefined,
    signal: (_, data) => signal(data)
  })
  return { end: worker, connections }
}

let ends: readonly StageEnd[] = []
let linkEnds: readonly LinkEnd[] = []
let relayEnds: readonly RecordedRelay[] = []
let tabs: readonly Tab[] = []

const links = {
  async open(kind: ChannelKind, atUp: number): Promise<void> {
    if (kind === 'memory') linkEnds = inMemory(atUp)
    else {
      tabs = [0, 1].map(index => openTab(kind, atUp, data => tabs[1 - index]!.connections.signal('other', data)))
      linkEnds = tabs.map(({ end }) => end)
      for (const [index, { connections }] of tabs.entries()) connections.introduce('other', index === 0)
    }
    ends = linkEnds
    await Promise.all(ends.map(end => end.hears('up', 1)))
  },
  /** @param run of which both ends hold a layer */
  async openRelay(run: string, atUp: number): Promise<void> {
    relayEnds = [new RecordedRelay(run, atUp), new RecordedRelay(run, atUp)]
    ends = relayEnds
    await Promise.all(ends.map(end => end.hears('up', 1)))
  },
  hears: (end: number, kind: Heard['kind'], count: number): Promise<Heard[]> => ends[end]!.hears(kind, count),
  async sayAll(end: number, count: number): Promise<void> {
    for (let of = 0; of < count; of++) await ends[end]!.sayAll(of)
  },
  sendPiecesThenFragments: async (end: number, pieces: number, fragments: number): Promise<void> => linkEnds[end]!.sendPiecesThenFragments(pieces, fragments),
  given: async (end: number): Promise<GivenPiece[]> => linkEnds[end]!.given(),
  sendUnchecked: async (end: number, name: 'control' | 'bulk' | 'stages', bytes: number): Promise<void> => linkEnds[end]!.sendUnchecked(name, bytes),
  sendOverRelay: (end: number, bytes: number): void => relayEnds[end]!.sendStageBytes(bytes),
  close: async (end: number): Promise<void> => ends[end]!.close(),
  /** The UDP ports between which an end's packets go at the moment. */
  async ports(end: number): Promise<number[]> {
    const [[, connection]] = tabs[end]!.connections.open as [[string, RTCPeerConnection]]
    const report = new Map(await connection.getStats()) as ReadonlyMap<string, { readonly type: string; readonly selectedCandidatePairId?: string; readonly localCandidateId?: string; readonly remoteCandidateId?: string; readonly port?: number }>
    const pair = report.get([...report.values()].find(({ type }) => type === 'transport')!.selectedCandidatePairId!)!
    return [pair.localCandidateId!, pair.remoteCandidateId!].map(id => report.get(id)!.port!)
  },
  /** As when the other tab is said to be gone. */
  forget: (end: number): void => tabs[end]!.connections.forget('other')
}

declare global {
  interface Window {
    links: typeof links
  }
}

window.links = links
