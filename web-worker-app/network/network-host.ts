import { proxy, transfer, wrap, type Remote } from 'comlink'
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import { bridgeChannel } from '../mesh/channel-bridge.ts'
import type { LinkChannels } from '../mesh/link.ts'
import type { LinkId } from '../mesh/links.ts'
import { PeerConnections, type ConnectionsListener } from '../mesh/peer-connections.ts'
import type { PlaceRoutes } from '../mesh/stage-routes.ts'
import type { ChunkOwner } from '../storage/chunk-store.ts'
import type { StoreOpening } from '../storage/open-chunk-store.ts'
import type { NetworkEvents, NetworkState, NetworkWorkerApi } from './network-worker-api.ts'

export interface NetworkOptions extends Omit<ConnectionsListener, 'channels' | 'closed'>, Pick<NetworkEvents, 'roundTrip' | 'uploaded' | 'grant' | 'unavailable' | 'fault' | 'stored'> {
  /** Of a link that is made now, for credentials end; undefined where none may be made. */
  readonly connectionConfig: () => RTCConfiguration | undefined
  readonly storage: StoreOpening
  /** Bytes or links have changed. */
  changed(): void
}

/** The worker's script is asked for again after so long, while the server does not deliver it. */
const SCRIPT_RETRY_MS = 2000

/** One network worker from its start to its end, and the page's part of its links. What it is told before it is there waits. */
export class NetworkHost {
  readonly #options: NetworkOptions
  readonly #connections: PeerConnections
  readonly #api: Promise<Remote<NetworkWorkerApi>>
  readonly #ended: Promise<undefined>
  #end: () => void = () => undefined
  #state: NetworkState = { bytesFromOrigin: 0, bytesFromPeers: 0, unreachable: false }
  /** The browser lets no data channel leave the page. */
  #bridges = false
  #closed = false

  constructor(options: NetworkOptions) {
    this.#options = options
    this.#ended = new Promise(resolve => {
      this.#end = () => resolve(undefined)
    })
    this.#connections = new PeerConnections(options.connectionConfig, {
      channels: (peer, id, channels) => this.#order(api => this.#addLink(api, peer, id, channels)),
      closed: (peer, id) => this.#order(api => api.removeLink(peer, id)),
      linkUp: peer => {
        options.linkUp(peer)
        options.changed()
      },
      linkDown: peer => {
        options.linkDown(peer)
        options.changed()
      },
      linkLost: peer => options.linkLost(peer),
      connectionsUsedUp: () => options.connectionsUsedUp(),
      signal: (to, data) => options.signal(to, data)
    })
    this.#api = this.#start()
  }

  get openLinks(): number {
    return this.#connections.count
  }

  /** Those to whom a link is open. */
  get linkedPeers(): string[] {
    return this.#connections.peers
  }

  get bytesFromOrigin(): number {
    return this.#state.bytesFromOrigin
  }

  get bytesFromPeers(): number {
    return this.#state.bytesFromPeers
  }

  get unreachable(): boolean {
    return this.#state.unreachable
  }

  /** Of open links, for their statistics. */
  connections(): [peer: string, connection: RTCPeerConnection][] {
    return this.#connections.open
  }

  introduce(peer: string, initiator: boolean): void {
    this.#order(() => this.#connections.introduce(peer, initiator))
  }

  takeSignal(from: string, data: string): void {
    this.#order(() => this.#connections.signal(from, data))
  }

  peerGone(peer: string): void {
    this.#order(() => this.#connections.forget(peer))
  }

  isLinked(peer: string): boolean {
    return this.#connections.isUp(peer)
  }

  /** Resolves when fragments will find their way. */
  openRoutes(routes: PlaceRoutes): Promise<void> {
    const ports = [routes.from?.port, routes.to?.port].filter(port => port !== undefined)
    return this.#ask(api => api.openRoutes(transfer(routes, ports)))
  }

  closeRoutes(pipeline: PipelineId): void {
    this.#order(api => api.closeRoutes(pipeline))
  }

  /**
   * @param lineage the version's ancestors and itself, oldest first, of one slice
   * @returns `here` once every chunk of the version is stored; `given_up` when it was forgotten or is brought by a later call
   */
  async bring(lineage: readonly PartOfManifest[]): ReturnType<NetworkWorkerApi['bring']> {
    return (await this.#ask<Awaited<ReturnType<NetworkWorkerApi['bring']>>>(api => api.bring(lineage))) ?? 'given_up'
  }

  /** Neither fetched nor supplied any more. Chunks that other versions share with it must not be forgotten with it. */
  forget(manifest: PartOfManifest, shared: ReadonlySet<string>): void {
    this.#order(api => api.forget(manifest, shared))
  }

  /** Never forgotten to make space. */
  pin(owner: ChunkOwner): void {
    this.#order(api => api.pin(owner))
  }

  /** @returns undefined when the browser has thrown chunks away since they were fetched */
  assemble(manifest: PartOfManifest): Promise<Tensors | undefined> {
    return this.#ask(api => api.assemble(manifest))
  }

  close(): void {
    this.#closed = true
    this.#connections.forgetAll()
    void this.#api.then(api => api.close())
    this.#end()
  }

  async #start(): Promise<Remote<NetworkWorkerApi>> {
    const options = this.#options
    const events: NetworkEvents = {
      roundTrip: (peer, ms) => options.roundTrip(peer, ms),
      uploaded: (bytes, ms) => options.uploaded(bytes, ms),
      grant: ask => options.grant(ask),
      unavailable: version => options.unavailable(version),
      fault: fault => options.fault(fault),
      stored: condition => {
        // A store that goes with its worker says nothing of the next one.
        if (!this.#closed) options.stored(condition)
      },
      linkUp: id => this.#connections.up(id),
      linkClosed: id => this.#connections.lose(id),
      changed: state => {
        this.#state = state
        options.changed()
      }
    }
    for (;;) {
      const worker = new Worker(new URL('./network-worker.ts', import.meta.url), { type: 'module', name: 'network' })
      // A script that could not be loaded is told of by an event without an error in it.
      const unreachable = new Promise<false>(resolve => worker.addEventListener('error', event => !(event instanceof ErrorEvent) && resolve(false)))
      const api = wrap<NetworkWorkerApi>(worker)
      if (await Promise.race([api.open(proxy(events), options.storage).then(() => true), unreachable, this.#ended])) return api
      worker.terminate()
      await Promise.race([new Promise(resolve => setTimeout(resolve, SCRIPT_RETRY_MS)), this.#ended])
      if (this.#closed) return new Promise<never>(() => undefined)
    }
  }

  /** In the order of the calls. */
  #order(task: (api: Remote<NetworkWorkerApi>) => unknown): void {
    void this.#ask(async api => {
      await task(api)
    })
  }

  /** @returns undefined when this ended before there was an answer */
  #ask<Answer>(task: (api: Remote<NetworkWorkerApi>) => Promise<Answer>): Promise<Answer | undefined> {
    const answer = this.#api.then(api => (this.#closed ? undefined : task(api)))
    return Promise.race([answer, this.#ended])
  }

  async #addLink(api: Remote<NetworkWorkerApi>, peer: string, id: LinkId, channels: LinkChannels<RTCDataChannel>): Promise<void> {
    const { control, bulk, stages } = channels
    if (!this.#bridges) {
      try {
        return await api.addLink(peer, id, transfer({ control, bulk, stages }, [control, bulk, stages]))
      } catch (error) {
        if (!(error instanceof DOMException) || error.name !== 'DataCloneError') throw error
        this.#bridges = true
      }
    }
    const ports = { control: bridgeChannel(control), bulk: bridgeChannel(bulk), stages: bridgeChannel(stages) }
    await api.addLink(peer, id, transfer(ports, Object.values(ports)))
  }
}
