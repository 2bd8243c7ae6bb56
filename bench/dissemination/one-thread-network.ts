import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import { channelFrom } from '#web-worker-app/mesh/channel-bridge.ts'
import { ChunkExchange } from '#web-worker-app/mesh/chunk-exchange.ts'
import { PeerConnections } from '#web-worker-app/mesh/peer-connections.ts'
import type { NetworkOptions } from '#web-worker-app/network/network-host.ts'
import { bringPolicy } from '#web-worker-app/network/policy-arrival.ts'
import type { ChunkStore } from '#web-worker-app/storage/chunk-store.ts'
import type { PeerNetwork } from './swarm-peer.ts'

/** What `NetworkHost` and its worker do, on one thread: connections, channels, the exchange of chunks, and a store. */
export class OneThreadNetwork implements PeerNetwork {
  readonly #connections: PeerConnections
  readonly #exchange: ChunkExchange
  readonly #store: ChunkStore

  constructor(options: NetworkOptions, store: ChunkStore) {
    this.#store = store
    this.#exchange = new ChunkExchange({
      store,
      linkUp: id => this.#connections.up(id),
      linkClosed: id => this.#connections.lose(id),
      stageFragment: () => undefined,
      roundTrip: (peer, ms) => options.roundTrip(peer, ms),
      uploaded: (bytes, ms) => options.uploaded(bytes, ms),
      grant: ask => options.grant(ask),
      unavailable: version => options.unavailable(version),
      changed: () => options.changed(),
      fault: fault => options.fault(fault)
    })
    this.#connections = new PeerConnections(options.connectionConfig, {
      channels: (peer, id, { control, bulk, stages }) => this.#exchange.addLink(peer, id, { control: channelFrom(control), bulk: channelFrom(bulk), stages: channelFrom(stages) }),
      closed: (peer, id) => this.#exchange.removeLink(peer, id),
      linkUp: peer => options.linkUp(peer),
      linkDown: peer => options.linkDown(peer),
      linkLost: peer => options.linkLost(peer),
      connectionsUsedUp: () => options.connectionsUsedUp(),
      signal: (to, data) => options.signal(to, data)
    })
  }

  get openLinks(): number {
    return this.#connections.count
  }

  get linkedPeers(): string[] {
    return this.#connections.peers
  }

  get bytesFromOrigin(): number {
    return this.#exchange.bytesFromOrigin
  }

  get bytesFromPeers(): number {
    return this.#exchange.bytesFromPeers
  }

  introduce(peer: string, initiator: boolean): void {
    this.#connections.introduce(peer, initiator)
  }

  takeSignal(from: string, data: string): void {
    this.#connections.signal(from, data)
  }

  peerGone(peer: string): void {
    this.#connections.forget(peer)
  }

  bring(lineage: readonly PartOfManifest[]): ReturnType<typeof bringPolicy> {
    return bringPolicy(lineage, { exchange: this.#exchange, store: this.#store, isWanted: () => true })
  }

  forget(manifest: PartOfManifest, shared: ReadonlySet<string>): void {
    this.#exchange.forget(manifest, shared)
  }
}
