/** One tab of a swarm without engines: joins, links and fetches every version that is announced, with the product's own socket, links, network worker and storage. Or a WebTorrent client. */
import WebTorrent, { type Torrent } from 'webtorrent/dist/webtorrent.min.js'
import { signingKeyFrom } from '#shared/crypto/signature.ts'
import { checkPolicy, manifestHash } from '#shared/dissemination/manifest.ts'
import { signJoin } from '#shared/dissemination/peer-identity.ts'
import { originChunks } from '#shared/dissemination/version-route.ts'
import type { PublishedPolicy } from '#shared/protocol/manifest.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import type { Welcome } from '#shared/protocol/volunteer-messages.ts'
import { describeFault } from '#web-worker-app/mesh/exchange-fault.ts'
import { NetworkHost } from '#web-worker-app/network/network-host.ts'
import { ServerConnection } from '#web-worker-app/session/server-connection.ts'

/** Of one version at one tab. Times are of the machine's clock, which all tabs share, in milliseconds. */
export interface Arrival {
  /** Announced, or met the first peer that may have it. */
  readonly heardAt: number
  readonly doneAt: number
  readonly bytesFromOrigin: number
  readonly bytesFromPeers: number
}

const key = signingKeyFrom(crypto.getRandomValues(new Uint8Array(32)))
const arrivals = new Map<number, Promise<Arrival>>()
const waiting: (() => void)[] = []
let network: NetworkHost

/** Resolves once the condition holds; it is looked at after every change. */
function until(holds: () => boolean): Promise<void> {
  return new Promise(resolve => {
    const check = (): void => {
      if (holds()) resolve()
      else waiting.push(check)
    }
    check()
  })
}

function changed(): void {
  for (const check of waiting.splice(0)) check()
}

/** @param links whether it may link to others; otherwise everything comes from the origin */
function join(links: boolean): void {
  let welcome: Welcome | undefined
  let challenge = ''
  const policies = new Map<number, PublishedPolicy>()

  const bring = async (policy: PublishedPolicy): Promise<Arrival> => {
    const { version } = policy.manifest
    const heardAt = Date.now()
    policies.set(version, policy)
    const checked = checkPolicy(policy, welcome!.description, undefined)
    if (checked.kind === 'refused') throw new Error(checked.detail ?? checked.code)
    const { bytesFromOrigin, bytesFromPeers } = network
    const brought = await network.bring([...(policy.ancestors ?? []), policy.manifest])
    if (brought !== 'here') throw new Error(`version ${version} did not arrive: ${JSON.stringify(brought)}`)
    const arrival = { heardAt, doneAt: Date.now(), bytesFromOrigin: network.bytesFromOrigin - bytesFromOrigin, bytesFromPeers: network.bytesFromPeers - bytesFromPeers }
    server.tell('version_held', { run: welcome!.description.run, version, manifestHash: manifestHash(policy.manifest) })
    // Two at a time, as a tab within a staleness budget of one would keep.
    const old = policies.get(version - 2)
    if (old !== undefined && version > 2) {
      policies.delete(version - 2)
      server.tell('version_dropped', { version: version - 2, manifestHash: manifestHash(old.manifest) })
      network.forget(old.manifest, new Set())
    }
    return arrival
  }

  const announced = (policy: PublishedPolicy): void => {
    if (arrivals.has(policy.manifest.version)) return
    arrivals.set(policy.manifest.version, bring(policy))
    changed()
  }

  const joinRun = async (): Promise<void> => {
    const terms = { protocol: PROTOCOL_VERSION, server: location.host, challenge, run: undefined }
    const answer = await server.ask('join', { protocol: PROTOCOL_VERSION, publicKey: key.publicKey, signature: signJoin(terms, key), linked: network.linkedPeers })
    if (answer?.kind !== 'welcome') throw new Error(`did not join: ${JSON.stringify(answer)}`)
    welcome = answer
    announced(answer.base)
    announced(answer.newest)
  }

  const server = new ServerConnection({ role: 'volunteer' }, {
    connection: () => undefined,
    challenge: told => {
      ;({ challenge } = told)
      void joinRun()
    },
    run_described: () => undefined,
    run_feed: () => undefined,
    policy_announced: announced,
    lease_granted: () => undefined,
    introduction: ({ peer, initiator }) => network.introduce(peer, initiator),
    peer_gone: ({ peer }) => network.peerGone(peer),
    signal: ({ from, data }) => network.takeSignal(from, data),
    refused: ({ code, detail }) => console.error(`refused: ${detail ?? code}`)
  })

  network = new NetworkHost({
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
      const policy = policies.get(ask.version)!
      const answer = await server.ask('origin_wanted', { ...ask, manifestHash: manifestHash(policy.manifest) })
      const chunks = originChunks(policy)
      return answer?.kind === 'origin_granted' ? answer.chunks.map(place => chunks[place]!.hash) : undefined
    },
    unavailable: version => console.error(`nobody has version ${version}`),
    changed,
    fault: fault => console.error(describeFault(fault)),
    connectionsUsedUp: () => console.error('no more connections')
  })
  server.connect()
}

function openTorrents(): WebTorrent {
  const client = new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } } })
  client.on('error', error => console.error(String(error)))
  return client
}

const dissemination = {
  join,

  /** @returns once so many links are up */
  linked: (count: number): Promise<void> => until(() => network.openLinks >= count),

  async arrival(version: number): Promise<Arrival> {
    await until(() => arrivals.has(version))
    return arrivals.get(version)!
  },

  /** Has the bytes, and gives them to whoever the tracker sends. @returns the torrent file */
  async seed(bytes: number, tracker: string): Promise<number[]> {
    const content = new Uint8Array(bytes)
    for (let offset = 0; offset < bytes; offset += 65_536) crypto.getRandomValues(content.subarray(offset, offset + 65_536))
    const torrent = await new Promise<Torrent>(seeding => openTorrents().seed(new File([content], 'version'), { announce: [tracker] }, seeding))
    return [...torrent.torrentFile]
  },

  download(torrentFile: readonly number[], tracker: string): Promise<Arrival> {
    return new Promise(resolve => {
      let heardAt = 0
      const torrent = openTorrents().add(new Uint8Array(torrentFile), { announce: [tracker], strategy: 'rarest' })
      torrent.once('wire', () => (heardAt = Date.now()))
      torrent.once('done', () => resolve({ heardAt, doneAt: Date.now(), bytesFromOrigin: 0, bytesFromPeers: torrent.downloaded }))
    })
  }
}

declare global {
  interface Window {
    dissemination: typeof dissemination
  }
}
window.dissemination = dissemination
