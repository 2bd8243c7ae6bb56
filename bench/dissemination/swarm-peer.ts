/** One peer of a swarm without engines: joins, links and fetches every version that is announced, with the product's own socket, links, chunk exchange and storage. */
import { signingKeyFrom } from '#shared/crypto/signature.ts'
import { checkPolicy, manifestHash } from '#shared/dissemination/manifest.ts'
import { signJoin } from '#shared/dissemination/peer-identity.ts'
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import { originChunks } from '#shared/dissemination/version-route.ts'
import type { PublishedPolicy } from '#shared/protocol/manifest.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import type { Welcome } from '#shared/protocol/volunteer-messages.ts'
import { describeFault } from '#web-worker-app/mesh/exchange-fault.ts'
import type { NetworkHost, NetworkOptions } from '#web-worker-app/network/network-host.ts'
import { ServerConnection } from '#web-worker-app/session/server-connection.ts'
import type { Arrival, PeerApi } from './peer-api.ts'

/** What a peer needs of the network worker's host. */
export type PeerNetwork = Pick<NetworkHost, 'introduce' | 'takeSignal' | 'peerGone' | 'linkedPeers' | 'openLinks' | 'bytesFromOrigin' | 'bytesFromPeers' | 'forget'> & {
  bring(lineage: readonly PartOfManifest[]): Promise<unknown>
}

export class SwarmPeer implements Pick<PeerApi, 'join' | 'linked' | 'arrival'> {
  readonly #openNetwork: (options: NetworkOptions) => PeerNetwork
  readonly #key = signingKeyFrom(crypto.getRandomValues(new Uint8Array(32)))
  readonly #policies = new Map<number, PublishedPolicy>()
  readonly #arrivals = new Map<number, Promise<Arrival>>()
  readonly #waiting: (() => void)[] = []
  #welcome: Welcome | undefined
  #joined: { readonly network: PeerNetwork; readonly server: ServerConnection } | undefined

  constructor(openNetwork: (options: NetworkOptions) => PeerNetwork) {
    this.#openNetwork = openNetwork
  }

  join(links: boolean): void {
    let challenge = ''
    const server = new ServerConnection({ role: 'volunteer' }, {
      connection: () => undefined,
      challenge: told => {
        ;({ challenge } = told)
        void this.#joinRun(challenge)
      },
      run_described: () => undefined,
      run_feed: () => undefined,
      policy_announced: policy => this.#announced(policy),
      lease_granted: () => undefined,
      introduction: ({ peer, initiator }) => network.introduce(peer, initiator),
      peer_gone: ({ peer }) => network.peerGone(peer),
      signal: ({ from, data }) => network.takeSignal(from, data),
      refused: ({ code, detail }) => console.error(`refused: ${detail ?? code}`)
    })
    const changed = (): void => this.#changed()
    const network = this.#openNetwork({
      connectionConfig: () => (links ? { iceServers: [] } : undefined),
      storage: {},
      stored: condition => console.error(`chunks are not kept: ${condition}`),
      signal: (to, data) => server.tell('signal', { to, data }),
      linkLost: peer => server.tell('link_lost', { peer }),
      linkUp: changed,
      linkDown: changed,
      roundTrip: () => undefined,
      uploaded: () => undefined,
      grant: async ask => {
        const policy = this.#policies.get(ask.version)!
        const answer = await server.ask('origin_wanted', { ...ask, manifestHash: manifestHash(policy.manifest) })
        const chunks = originChunks(policy)
        return answer?.kind === 'origin_granted' ? answer.chunks.map(place => chunks[place]!.hash) : undefined
      },
      unavailable: version => console.error(`nobody has version ${version}`),
      changed,
      fault: fault => console.error(describeFault(fault)),
      connectionsUsedUp: () => console.error('no more connections')
    })
    this.#joined = { network, server }
    server.connect()
  }

  linked(count: number): Promise<void> {
    return this.#until(() => this.#joined !== undefined && this.#joined.network.openLinks >= count)
  }

  async arrival(version: number): Promise<Arrival> {
    await this.#until(() => this.#arrivals.has(version))
    return this.#arrivals.get(version)!
  }

  async #joinRun(challenge: string): Promise<void> {
    const { network, server } = this.#joined!
    const terms = { protocol: PROTOCOL_VERSION, server: location.host, challenge, run: undefined }
    const answer = await server.ask('join', { protocol: PROTOCOL_VERSION, publicKey: this.#key.publicKey, signature: signJoin(terms, this.#key), linked: network.linkedPeers })
    if (answer?.kind !== 'welcome') throw new Error(`did not join: ${JSON.stringify(answer)}`)
    this.#welcome = answer
    this.#announced(answer.base)
    this.#announced(answer.newest)
  }

  #announced(policy: PublishedPolicy): void {
    if (this.#arrivals.has(policy.manifest.version)) return
    this.#arrivals.set(policy.manifest.version, this.#bring(policy))
    this.#changed()
  }

  async #bring(policy: PublishedPolicy): Promise<Arrival> {
    const { network, server } = this.#joined!
    const { run } = this.#welcome!.description
    const { version } = policy.manifest
    const heardAt = Date.now()
    this.#policies.set(version, policy)
    const checked = checkPolicy(policy, this.#welcome!.description, undefined)
    if (checked.kind === 'refused') throw new Error(checked.detail ?? checked.code)
    const { bytesFromOrigin, bytesFromPeers } = network
    const brought = await network.bring([...(policy.ancestors ?? []), policy.manifest])
    if (brought !== 'here') throw new Error(`version ${version} did not arrive: ${JSON.stringify(brought)}`)
    const arrival = { heardAt, doneAt: Date.now(), bytesFromOrigin: network.bytesFromOrigin - bytesFromOrigin, bytesFromPeers: network.bytesFromPeers - bytesFromPeers }
    server.tell('version_held', { run, version, manifestHash: manifestHash(policy.manifest) })
    this.#dropBefore(version - 1)
    return arrival
  }

  /** Two at a time, as a tab within a staleness budget of one would keep. */
  #dropBefore(version: number): void {
    const old = this.#policies.get(version - 1)
    if (old === undefined || version <= 1) return
    const { network, server } = this.#joined!
    this.#policies.delete(version - 1)
    server.tell('version_dropped', { version: version - 1, manifestHash: manifestHash(old.manifest) })
    network.forget(old.manifest, new Set())
  }

  /** Resolves once the condition holds; it is looked at after every change. */
  #until(holds: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const check = (): void => {
        if (holds()) resolve()
        else this.#waiting.push(check)
      }
      check()
    })
  }

  #changed(): void {
    for (const check of this.#waiting.splice(0)) check()
  }
}
