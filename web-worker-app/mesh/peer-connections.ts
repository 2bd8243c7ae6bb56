import SimplePeer from 'simple-peer/simplepeer.min.js'
import { LIMITS } from '#shared/protocol/limits.ts'
import { decode } from '#shared/protocol/schema.ts'
import { CHANNEL_NAMES, type LinkChannels } from './link.ts'
import type { LinkId } from './links.ts'
import { PathRecovery } from './path-recovery.ts'
import { signalData } from './signal-data.ts'

export interface ConnectionsListener {
  /** A connection is being made: its channels are untouched, and can be handed to another thread in this very task. */
  channels(peer: string, id: LinkId, channels: LinkChannels<RTCDataChannel>): void
  /** It is no more, and its channels with it. */
  closed(peer: string, id: LinkId): void
  linkUp(peer: string): void
  /** A link that was up is not any more. */
  linkDown(peer: string): void
  /** A link that was asked for could not be made, or is no more, and not because the other tab left. */
  linkLost(peer: string): void
  /** Once: this page makes no more connections. */
  connectionsUsedUp(): void
  /** For the other tab, through the signaling server. */
  signal(to: string, data: string): void
}

const CONNECT_TIMEOUT_MS = 15_000
/** simple-peer takes a channel that it is offered for its own: ours have numbers that both sides know beforehand. */
const FIRST_CHANNEL = 100

interface PeerConnection {
  readonly id: LinkId
  readonly connection: SimplePeer.Instance
  readonly connectTimer: ReturnType<typeof setTimeout>
  readonly path: PathRecovery
  up: boolean
}

/** WebRTC connections to other tabs, which exist on a page's own thread only. Who connects to whom is the signaling server's choice; others speak over the channels. */
export class PeerConnections {
  readonly #listener: ConnectionsListener
  readonly #config: () => RTCConfiguration | undefined
  readonly #connections = new Map<string, PeerConnection>()
  /** The next connection's number. */
  #made = 0

  /** @param config of a connection that is made now; undefined where none may be made */
  constructor(config: () => RTCConfiguration | undefined, listener: ConnectionsListener) {
    this.#config = config
    this.#listener = listener
  }

  /** Links that are up. */
  get count(): number {
    let open = 0
    for (const { up } of this.#connections.values()) if (up) open++
    return open
  }

  /** Those to whom a link is up. */
  get peers(): string[] {
    return [...this.#connections].flatMap(([peer, { up }]) => (up ? [peer] : []))
  }

  /** Those that are up. */
  get open(): [peer: string, connection: RTCPeerConnection][] {
    return [...this.#connections].flatMap(([peer, { connection, up }]) => {
      const under = up ? connectionUnder(connection) : undefined
      return under === undefined ? [] : [[peer, under]]
    })
  }

  isUp(peer: string): boolean {
    return this.#connections.get(peer)?.up === true
  }

  /** A second introduction to the same tab replaces the connection: the other side has lost it. */
  introduce(peer: string, initiator: boolean): void {
    this.forget(peer)
    const config = this.#config()
    if (config === undefined || this.#connections.size >= LIMITS.linksPerPeer || this.#made >= LIMITS.connectionsPerPage) return this.#listener.linkLost(peer)
    const id = this.#made++
    if (this.#made === LIMITS.connectionsPerPage) this.#listener.connectionsUsedUp()
    const connection = new SimplePeer({ initiator, config })
    // Whoever made the first offer makes the next.
    const path = new PathRecovery({ restart: () => initiator && restartIce(connection), giveUp: () => this.#lose(peer, id) })
    const made: PeerConnection = { id, connection, path, up: false, connectTimer: setTimeout(() => this.#lose(peer, id), CONNECT_TIMEOUT_MS) }
    this.#connections.set(peer, made)
    const channels = openChannels(connection)
    if (channels !== undefined) this.#listener.channels(peer, id, channels)
    connection.on('iceStateChange', state => path.changed(state as RTCIceConnectionState))
    connection.on('signal', data => this.#listener.signal(peer, JSON.stringify(data)))
    // Whoever sends on the channel that simple-peer made for itself is none of ours.
    connection.on('data', () => this.#lose(peer, id))
    connection.on('error', () => this.#lose(peer, id))
    connection.on('close', () => this.#lose(peer, id))
  }

  /** What another tab says of its side of the connection. Nonsense, and signals of tabs nobody introduced, are ignored. */
  signal(from: string, text: string): void {
    const known = this.#connections.get(from)
    if (known === undefined) return
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      return
    }
    const decoded = decode(signalData, parsed)
    if (decoded.kind === 'ok') known.connection.signal(parsed as SimplePeer.SignalData)
  }

  /** Both ends of its channels listen. */
  up(id: LinkId): void {
    const [peer, known] = this.#find(id)
    if (peer === undefined) return
    clearTimeout(known.connectTimer)
    known.up = true
    this.#listener.linkUp(peer)
  }

  /** Its channels are of no more use. */
  lose(id: LinkId): void {
    const [peer] = this.#find(id)
    if (peer !== undefined) this.#lose(peer, id)
  }

  /** The other tab is gone, or will be introduced again. */
  forget(peer: string): void {
    const known = this.#connections.get(peer)
    if (known === undefined) return
    this.#connections.delete(peer)
    clearTimeout(known.connectTimer)
    known.path.end()
    known.connection.destroy()
    this.#listener.closed(peer, known.id)
    if (known.up) this.#listener.linkDown(peer)
  }

  forgetAll(): void {
    for (const peer of this.#connections.keys()) this.forget(peer)
  }

  #lose(peer: string, id: LinkId): void {
    if (this.#connections.get(peer)?.id !== id) return
    this.forget(peer)
    this.#listener.linkLost(peer)
  }

  #find(id: LinkId): [string, PeerConnection] | [undefined] {
    return [...this.#connections].find(([, known]) => known.id === id) ?? [undefined]
  }
}

/** @returns undefined when the browser makes no more connections, which simple-peer tells as an error a moment later */
function openChannels(connection: SimplePeer.Instance): LinkChannels<RTCDataChannel> | undefined {
  const peerConnection = connectionUnder(connection)
  if (peerConnection === undefined) return undefined
  const [control, bulk, stages] = CHANNEL_NAMES.map((name, index) => peerConnection.createDataChannel(name, { negotiated: true, id: FIRST_CHANNEL + index, ordered: name !== 'bulk' }))
  return { control: control!, bulk: bulk!, stages: stages! }
}

/** simple-peer has no such thing, but negotiates whenever it is told to. */
function restartIce(connection: SimplePeer.Instance): void {
  const negotiator = connection as SimplePeer.Instance & { negotiate(): void }
  connectionUnder(connection)?.restartIce()
  negotiator.negotiate()
}

/** @returns undefined before it is made and after its end */
function connectionUnder(connection: SimplePeer.Instance): RTCPeerConnection | undefined {
  const { _pc: under } = connection as unknown as { readonly _pc: RTCPeerConnection | null | undefined }
  return under ?? undefined
}
