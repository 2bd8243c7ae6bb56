import SimplePeer from 'simple-peer/simplepeer.min.js'
import { encodePiece, type LinkMessage, type Piece } from '#shared/protocol/link-frames.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { decode } from '#shared/protocol/schema.ts'
import type { Welcome } from '#shared/protocol/volunteer-messages.ts'
import { connectionConfig, type Linking } from './linking.ts'
import { readLinkFrame, type LinkFrame } from './link-frame.ts'
import { signalData } from './signal-data.ts'

export interface LinkListener {
  linkUp(peer: string): void
  linkDown(peer: string): void
  /** A link that was asked for could not be made, or is no more, and not because the other tab left. */
  linkLost(peer: string): void
  frame(peer: string, frame: LinkFrame): void
  /** A fragment of a stage frame, as it came. */
  stageFragment(peer: string, fragment: Uint8Array<ArrayBuffer>): void
  /** For the other tab, through the signaling server. */
  signal(to: string, data: string): void
}

const CONNECT_TIMEOUT_MS = 15_000
/** Chromium allows 500 connections per renderer process, closed ones included until they are collected. */
const CONNECTIONS_PER_PAGE = 400

/** simple-peer takes the channel that it is offered for its own: ours has a number that both sides know beforehand. */
const STAGE_CHANNEL = { negotiated: true, id: 100 }
/** What the browser holds for a channel is limited, and one that overflows is closed: the rest waits here. */
const STAGE_BYTES_AHEAD = 4 * 1024 * 1024

interface Link {
  readonly connection: SimplePeer.Instance
  /** Hidden states have a channel of their own: they never wait behind chunks. */
  readonly stageChannel: RTCDataChannel
  readonly stageFragments: Uint8Array<ArrayBuffer>[]
  readonly connectTimer: ReturnType<typeof setTimeout>
  up: boolean
}

/** Data channels to other tabs. Who links to whom is the signaling server's choice; every frame is checked before it is passed on. */
export class PeerLinks {
  readonly #listener: LinkListener
  readonly #iceServers: Welcome['iceServers']
  readonly #linking: Linking
  readonly #links = new Map<string, Link>()
  #connectionsMade = 0

  /** @param iceServers the run's own */
  constructor(iceServers: Welcome['iceServers'], listener: LinkListener, linking: Linking = 'any') {
    this.#linking = linking
    this.#iceServers = iceServers
    this.#listener = listener
  }

  /** Open links. */
  get count(): number {
    let open = 0
    for (const { up } of this.#links.values()) if (up) open++
    return open
  }

  /** Of open links, for their statistics. */
  connections(): [peer: string, connection: RTCPeerConnection][] {
    return [...this.#links].filter(([, { up }]) => up).map(([peer, { connection }]) => [peer, peerConnectionOf(connection)])
  }

  isUp(peer: string): boolean {
    return this.#links.get(peer)?.up === true
  }

  /** A second introduction to the same tab replaces the link: the other side has lost it. */
  introduce(peer: string, initiator: boolean): void {
    this.forget(peer)
    if (this.#linking === 'none' || this.#links.size >= LIMITS.linksPerPeer || this.#connectionsMade >= CONNECTIONS_PER_PAGE) return this.#listener.linkLost(peer)
    this.#connectionsMade++
    // In object mode simple-peer tells text from binary; otherwise both arrive as bytes.
    const connection = new SimplePeer({ initiator, config: connectionConfig(this.#linking, this.#iceServers), objectMode: true })
    const stageChannel = openStageChannel(connection)
    stageChannel.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) this.#listener.stageFragment(peer, new Uint8Array(data))
      else this.close(peer)
    })
    const link: Link = { connection, stageChannel, stageFragments: [], up: false, connectTimer: setTimeout(() => this.close(peer), CONNECT_TIMEOUT_MS) }
    this.#links.set(peer, link)
    connection.on('signal', data => this.#listener.signal(peer, JSON.stringify(data)))
    const opened = (): void => {
      if (!connection.connected || stageChannel.readyState !== 'open' || this.#links.get(peer) !== link) return
      clearTimeout(link.connectTimer)
      link.up = true
      this.#listener.linkUp(peer)
    }
    connection.on('connect', opened)
    stageChannel.addEventListener('open', opened)
    stageChannel.addEventListener('bufferedamountlow', () => sendAhead(link))
    connection.on('data', (data: unknown) => this.#listener.frame(peer, readLinkFrame(data)))
    connection.on('error', () => this.#lose(peer, link))
    connection.on('close', () => this.#lose(peer, link))
  }

  /** What another tab says of its side of the connection. Nonsense, and signals of tabs nobody introduced, are ignored. */
  signal(from: string, text: string): void {
    const link = this.#links.get(from)
    if (link === undefined) return
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      return
    }
    const decoded = decode(signalData, parsed)
    if (decoded.kind === 'ok') link.connection.signal(parsed as SimplePeer.SignalData)
  }

  sendMessage(peer: string, message: LinkMessage): void {
    this.#send(peer, JSON.stringify(message))
  }

  sendPiece(peer: string, piece: Piece): void {
    this.#send(peer, encodePiece(piece))
  }

  /** @returns false when there is no open link */
  sendStageFragment(peer: string, fragment: Uint8Array<ArrayBuffer>): boolean {
    const link = this.#links.get(peer)
    if (link?.stageChannel.readyState !== 'open') return false
    link.stageFragments.push(fragment)
    sendAhead(link)
    return true
  }

  close(peer: string): void {
    const link = this.#links.get(peer)
    if (link !== undefined) this.#lose(peer, link)
  }

  /** The other tab is gone, or will be introduced again. */
  forget(peer: string): void {
    const link = this.#links.get(peer)
    if (link !== undefined) this.#drop(peer, link)
  }

  forgetAll(): void {
    for (const peer of this.#links.keys()) this.forget(peer)
  }

  /** `send`, never `write`: simple-peer's stream pumps by the channel's own buffer, which starves slow uplinks. */
  #send(peer: string, data: string | Uint8Array): void {
    const link = this.#links.get(peer)
    if (link?.up !== true) return
    try {
      link.connection.send(data)
    } catch {
      // The channel closed between its last event and now.
      this.#lose(peer, link)
    }
  }

  #lose(peer: string, link: Link): void {
    if (this.#links.get(peer) !== link) return
    this.#drop(peer, link)
    this.#listener.linkLost(peer)
  }

  #drop(peer: string, link: Link): void {
    this.#links.delete(peer)
    clearTimeout(link.connectTimer)
    link.connection.destroy()
    if (link.up) this.#listener.linkDown(peer)
  }
}

function sendAhead({ stageChannel, stageFragments }: Link): void {
  while (stageChannel.readyState === 'open' && stageChannel.bufferedAmount < STAGE_BYTES_AHEAD) {
    const next = stageFragments.shift()
    if (next === undefined) return
    stageChannel.send(next)
  }
}

/** simple-peer names no other way to it. */
function peerConnectionOf(connection: SimplePeer.Instance): RTCPeerConnection {
  const { _pc: peerConnection } = connection as unknown as { readonly _pc: RTCPeerConnection }
  return peerConnection
}

function openStageChannel(connection: SimplePeer.Instance): RTCDataChannel {
  const channel = peerConnectionOf(connection).createDataChannel('stages', STAGE_CHANNEL)
  channel.binaryType = 'arraybuffer'
  channel.bufferedAmountLowThreshold = STAGE_BYTES_AHEAD / 2
  return channel
}
