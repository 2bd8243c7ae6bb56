import { NetworkHost, type NetworkOptions } from '../network/network-host.ts'
import type { StorageCondition } from '../storage/spilling-chunk-store.ts'
import type { VolunteerSnapshot } from './session-store.ts'
import { TabLinks } from './tab-links.ts'

export interface TabNetworkOptions {
  /** Of what is stored, instead of the cap that the volunteer prefers. */
  readonly capBytes: number | undefined
  /** From other volunteers, as the person prefers at the moment. */
  readonly hidesAddress: () => Promise<boolean>
  readonly changed: () => void
}

type NetworkListener = Omit<NetworkOptions, 'connectionConfig' | 'storage' | 'stored' | 'changed'>

/** A tab's links, chunks and their store: of one network worker after the other, with what outlives them. */
export class TabNetwork {
  readonly links: TabLinks
  readonly #options: TabNetworkOptions
  #host: NetworkHost | undefined
  #storage: StorageCondition = 'kept'
  /** Of the workers that were closed. */
  readonly #bytesBefore = { fromOrigin: 0, fromPeers: 0 }

  constructor(options: TabNetworkOptions) {
    this.#options = options
    this.links = new TabLinks({ hidesAddress: options.hidesAddress, connections: () => this.#host?.connections() ?? [], changed: options.changed })
  }

  /** undefined while the tab is in no run. */
  get host(): NetworkHost | undefined {
    return this.#host
  }

  /** A person's consent, which alone may bring back a store that was deleted under the tab. */
  start(): void {
    this.#stored('kept')
  }

  /** Of a tab that joins again, goes on with what is open. */
  open(listener: NetworkListener): NetworkHost {
    const { capBytes, changed } = this.#options
    this.#host ??= new NetworkHost({
      ...listener,
      connectionConfig: () => this.links.connectionConfig,
      storage: { ...(capBytes !== undefined && { capBytes }), memoryOnly: this.#storage === 'lost' },
      stored: condition => this.#stored(condition),
      changed
    })
    return this.#host
  }

  close(): void {
    this.#bytesBefore.fromOrigin += this.#host?.bytesFromOrigin ?? 0
    this.#bytesBefore.fromPeers += this.#host?.bytesFromPeers ?? 0
    this.links.left()
    this.#host?.close()
    this.#host = undefined
  }

  snapshot(): Pick<VolunteerSnapshot, 'bytesFromOrigin' | 'bytesFromPeers' | 'bytesSinceJoining' | 'links' | 'linking' | 'storage'> {
    const { bytesFromOrigin, bytesFromPeers, openLinks } = this.#host ?? { bytesFromOrigin: 0, bytesFromPeers: 0, openLinks: 0 }
    return {
      bytesFromOrigin: this.#bytesBefore.fromOrigin + bytesFromOrigin,
      bytesFromPeers: this.#bytesBefore.fromPeers + bytesFromPeers,
      bytesSinceJoining: bytesFromOrigin + bytesFromPeers,
      links: openLinks,
      linking: this.links.linking,
      storage: this.#storage
    }
  }

  #stored(condition: StorageCondition): void {
    this.#storage = condition
    this.#options.changed()
  }
}
