/**
 * One version spreads over a fleet, in virtual time: every tab runs the fetching and the supplying machine of the swarm, the server its
 * grants; the network has rates, delays and queues. Chunks are small stand-ins whose messages take the time of full ones.
 */
import { sha256Hex } from '../crypto/sha256.ts'
import { stepChunkFetcher, type FetchEffect, type FetchInput } from '../dissemination/chunk-fetcher.ts'
import { createChunkFetcher, FETCHER_DEFAULTS, type ChunkFetcher } from '../dissemination/fetcher-state.ts'
import { createChunkSupplier, stepChunkSupplier, type ChunkSupplier, type SupplyEffect, type SupplyInput } from '../dissemination/chunk-supplier.ts'
import { createOriginGrants, grantOrigin, ORIGIN_RESPONSES, returnGrants } from '../dissemination/origin-grants.ts'
import type { ChunkReference } from '../protocol/manifest.ts'
import type { OriginWanted } from '../protocol/volunteer-messages.ts'
import { createRng, type Rng } from '../random/rng.ts'
import { createEventQueue, schedule } from './event-queue.ts'
import { createPacketNetwork, nextOf, send, type NetworkNode, type PacketNetwork } from './packet-network.ts'

export interface DisseminationOptions {
  readonly tabs: readonly NetworkNode[]
  readonly origin: NetworkNode
  readonly chunks: number
  readonly chunkBytes: number
  readonly overlay: Overlay
  /** Whole weights. Absent: what one step changes. */
  readonly whole?: boolean
  /** The server knows how fast pieces leave each tab, as it does once a version has gone round. Absent: it does. */
  readonly uplinksMeasured?: boolean
  /** How often a tab that is not finished leaves and somebody else comes in its place, on average per minute. */
  readonly leavesPerMinute?: number
  readonly seed: number
  readonly limitMs: number
}

/** Who may get which chunk from whom. */
export interface Overlay {
  /** Places of the tabs that a tab is linked with when the version comes out, by place. Symmetric. */
  readonly links: readonly ReadonlySet<number>[]
  /** Absent: anything over any link. */
  readonly passesOn?: (chunk: number, from: number, to: number) => boolean
  /** Which chunks a tab takes from the origin. Absent: as the server grants. */
  readonly fromOrigin?: (chunk: number, tab: number) => boolean
  /** Somebody came in the place of a tab that left. @returns who is linked with whom now. Absent: with those with whom its predecessor was */
  readonly replace?: (place: number) => readonly ReadonlySet<number>[]
}

export interface DisseminationResult {
  /** Of each place, from the version's announcement or its last tab's arrival until that one had everything; NaN where the time was not enough. */
  readonly doneMs: readonly number[]
  readonly originCopies: number
  /** Of all bytes received from tabs and the origin, the part that was in vain. */
  readonly discarded: number
}

/**
 * No way of spreading is faster: the origin sends everything once, everybody receives everything, and all that is received was sent
 * by somebody (Kumar and Ross 2006, "Peer-Assisted File Distribution: The Minimum Distribution Time").
 */
export function leastPossibleMs(tabs: readonly NetworkNode[], origin: NetworkNode, bytes: number): number {
  const slowestDown = Math.min(...tabs.map(({ downBytesPerMs }) => downBytesPerMs))
  const allUp = tabs.reduce((sum, { upBytesPerMs }) => sum + upBytesPerMs, origin.upBytesPerMs)
  return Math.max(bytes / origin.upBytesPerMs, bytes / slowestDown, (tabs.length * bytes) / allUp)
}

/** Real bytes of a stand-in piece; the network takes the time of `LIMITS.pieceBytes` or what the chunk's size comes to. */
const STAND_IN_PIECE = 32
const PIECES_PER_CHUNK = 32
const MESSAGE_BYTES = 150
const HASH_BYTES = 67
/** Until the data channels of two tabs who were introduced are open. */
const LINKING_MS = 300

interface Tab {
  readonly place: number
  readonly life: number
  readonly fetcher: ChunkFetcher
  readonly supplier: ChunkSupplier
  readonly rng: Rng
  readonly cameAt: number
}

type Event =
  | { readonly kind: 'fetch'; readonly place: number; readonly life: number; readonly input: FetchInput }
  | { readonly kind: 'supply'; readonly place: number; readonly life: number; readonly input: SupplyInput }
  | { readonly kind: 'grant_wanted'; readonly place: number; readonly life: number; readonly asked: Pick<OriginWanted, 'need' | 'chunks'> }
  | { readonly kind: 'origin_wanted'; readonly place: number; readonly life: number; readonly hash: string; readonly offset: number }
  | { readonly kind: 'origin_sends' }
  | { readonly kind: 'leaves'; readonly place: number; readonly life: number }
  | { readonly kind: 'linked'; readonly a: number; readonly aLife: number; readonly b: number; readonly bLife: number }

interface Download {
  readonly place: number
  readonly life: number
  readonly hash: string
  readonly offset: number
  left: number
}

export function simulateDissemination({ tabs: nodes, origin, chunks: count, chunkBytes, overlay, whole = false, uplinksMeasured = true, leavesPerMinute = 0, seed, limitMs }: DisseminationOptions): DisseminationResult {
  const rng = createRng(seed)
  const queue: PacketNetwork<Event>['queue'] = createEventQueue()
  const ORIGIN_PLACE = nodes.length
  const network = createPacketNetwork<Event>(queue, [...nodes, origin])
  const pieceBytes = chunkBytes / PIECES_PER_CHUNK
  const realChunks = Array.from({ length: count }, (_, index) => standIn(rng.fork(`chunk ${index}`)))
  const references: ChunkReference[] = realChunks.map(bytes => ({ hash: sha256Hex(bytes), size: bytes.byteLength }))
  const indexOf = new Map(references.map(({ hash }, index) => [hash, index]))
  let { links } = overlay
  const doneMs = nodes.map(() => Number.NaN)
  const unfinished = new Set(nodes.keys())
  const downloads: Download[] = []
  const waiting: Download[] = []
  const grants = createOriginGrants()
  let lives = 0
  let originBytes = 0
  const received = { all: 0, discarded: 0 }

  const arrive = (place: number): Tab => {
    const tab: Tab = { place, life: ++lives, fetcher: createChunkFetcher({ pieceBytes: STAND_IN_PIECE, enoughBytes: (FETCHER_DEFAULTS.enoughBytes * STAND_IN_PIECE) / pieceBytes }), supplier: createChunkSupplier(), rng: rng.fork(`tab ${place} ${lives}`), cameAt: queue.nowMs }
    if (leavesPerMinute > 0) schedule(queue, (-Math.log(1 - tab.rng.float()) * 60_000) / leavesPerMinute, { kind: 'leaves', place, life: tab.life })
    return tab
  }
  const tabs = nodes.map((_, place) => arrive(place))

  const fetch = (tab: Tab, input: FetchInput): void => {
    for (const effect of stepChunkFetcher(tab.fetcher, input, { now: queue.nowMs, rng: tab.rng })) carryOutFetch(tab, effect)
  }
  const supply = (tab: Tab, input: SupplyInput): void => {
    for (const effect of stepChunkSupplier(tab.supplier, input)) carryOutSupply(tab, effect)
  }
  const toTab = (from: Tab, peer: string, bytes: number, event: (to: Tab, from: string) => Event): void => {
    const to = tabs[placeOf(peer)]!
    if (nameOf(to) === peer) send(network, from.place, to.place, bytes, event(to, nameOf(from)))
  }
  const carryOutFetch = (tab: Tab, effect: FetchEffect): void => {
    const { place, life } = tab
    switch (effect.kind) {
      case 'ask_piece': {
        const { peer, hash, offset, length } = effect
        return toTab(tab, peer, MESSAGE_BYTES, (to, from) => ({ kind: 'supply', place: to.place, life: to.life, input: { kind: 'piece_wanted', peer: from, hash, offset, length } }))
      }
      case 'ask_grant':
        send(network, place, ORIGIN_PLACE, MESSAGE_BYTES, { kind: 'grant_wanted', place, life, asked: { need: effect.need, ...(effect.chunks !== undefined && { chunks: [...effect.chunks] }) } })
        return
      case 'ask_origin':
        send(network, place, ORIGIN_PLACE, MESSAGE_BYTES, { kind: 'origin_wanted', place, life, hash: effect.hash, offset: effect.offset })
        return
      case 'chunk_complete':
        if (tab.fetcher.wanted.size === 0) finish(tab)
        return supply(tab, { kind: 'chunk_held', hash: effect.hash, size: effect.bytes.byteLength })
      case 'wake_at':
        schedule(queue, effect.at - queue.nowMs, { kind: 'fetch', place, life, input: { kind: 'time_passed' } })
        return
      // Home uplinks queue.
      case 'supplier_stalled':
        return
      case 'chunk_missing':
      case 'refuse_chunk':
      case 'suspect_sources':
      case 'ban_peer':
        throw new Error(`nobody misbehaves here: ${effect.kind}`)
    }
  }
  const carryOutSupply = (tab: Tab, effect: SupplyEffect): void => {
    switch (effect.kind) {
      case 'tell_held': {
        const hashes = effect.hashes.filter(hash => overlay.passesOn?.(indexOf.get(hash)!, tab.place, placeOf(effect.peer)) !== false)
        if (hashes.length > 0) toTab(tab, effect.peer, MESSAGE_BYTES + HASH_BYTES * hashes.length, (to, from) => ({ kind: 'fetch', place: to.place, life: to.life, input: { kind: 'chunks_held', peer: from, hashes } }))
        return
      }
      case 'send_piece': {
        const { hash, offset, length } = effect
        const sentAt = queue.nowMs
        const payload = realChunks[indexOf.get(hash)!]!.subarray(offset, offset + length)
        return toTab(tab, effect.peer, pieceBytes + MESSAGE_BYTES, (to, from) => ({ kind: 'fetch', place: to.place, life: to.life, input: { kind: 'piece_arrived', peer: from, piece: { hash, offset, sentAt, payload } } }))
      }
      case 'send_unavailable':
      case 'refuse_want':
      case 'tell_dropped':
        throw new Error(`nobody forgets anything here: ${effect.kind}`)
    }
  }
  const finish = (tab: Tab): void => {
    doneMs[tab.place] = queue.nowMs - tab.cameAt
    unfinished.delete(tab.place)
    tally(tab)
  }
  const tally = ({ fetcher }: Tab): void => {
    received.all += fetcher.received.fromOrigin + fetcher.received.fromPeers
    received.discarded += fetcher.received.discarded
  }
  const uplinkOf = (place: number): number | undefined => (uplinksMeasured ? 1000 * nodes[place]!.upBytesPerMs : undefined)
  const grant = (tab: Tab, { need, chunks: only }: Pick<OriginWanted, 'need' | 'chunks'>): readonly string[] => {
    const all = references.map(({ hash }) => hash)
    if (overlay.fromOrigin !== undefined) return need === 'share' ? all.filter((_, index) => overlay.fromOrigin!(index, tab.place)) : []
    return grantOrigin(grants, { peer: nameOf(tab), chunks: all, ...(only !== undefined && { only: new Set(only) }), uplink: uplinkOf(tab.place), uplinks: [...unfinished].map(uplinkOf), need }, queue.nowMs)
  }
  const link = (a: Tab, b: Tab): void => {
    for (const [tab, other] of [[a, b], [b, a]] as const) {
      fetch(tab, { kind: 'link_up', peer: nameOf(other) })
      supply(tab, { kind: 'link_up', peer: nameOf(other) })
    }
  }
  const unlink = (a: Tab, b: Tab): void => {
    for (const [tab, other] of [[a, b], [b, a]] as const) {
      fetch(tab, { kind: 'link_down', peer: nameOf(other) })
      supply(tab, { kind: 'link_down', peer: nameOf(other) })
    }
  }
  const leave = (tab: Tab): void => {
    if (!unfinished.has(tab.place)) return
    tally(tab)
    returnGrants(grants, nameOf(tab))
    for (const other of links[tab.place]!) unlink(tab, tabs[other]!)
    const newcomer = arrive(tab.place)
    tabs[tab.place] = newcomer
    const now = overlay.replace?.(tab.place) ?? links
    for (const [a, others] of now.entries()) {
      for (const b of links[a]!) if (a < b && !others.has(b) && a !== tab.place && b !== tab.place) unlink(tabs[a]!, tabs[b]!)
      for (const b of others) if (a < b && (!links[a]!.has(b) || a === tab.place || b === tab.place)) schedule(queue, LINKING_MS, { kind: 'linked', a, aLife: tabs[a]!.life, b, bLife: tabs[b]!.life })
    }
    links = now
    fetch(newcomer, { kind: 'chunks_wanted', version: 1, chunks: references, whole })
  }
  /** A piece of each response in turn. */
  const originSends = (): void => {
    while (downloads.length < ORIGIN_RESPONSES && waiting.length > 0) downloads.push(waiting.shift()!)
    const download = downloads.shift()
    if (download === undefined) return
    const bytes = Math.min(pieceBytes, download.left)
    download.left -= bytes
    originBytes += bytes
    const { place, life, hash, offset } = download
    const input: FetchInput = { kind: 'origin_answered', hash, bytes: realChunks[indexOf.get(hash)!]!.subarray(offset) }
    const leftAt = send(network, ORIGIN_PLACE, place, bytes, download.left > 0 ? { kind: 'fetch', place, life: -1, input } : { kind: 'fetch', place, life, input })
    if (download.left > 0) downloads.push(download)
    if (downloads.length + waiting.length > 0) schedule(queue, leftAt - queue.nowMs, { kind: 'origin_sends' })
  }
  const isHere = ({ place, life }: { readonly place: number; readonly life: number }): boolean => tabs[place]!.life === life

  for (const [a, others] of links.entries()) for (const b of others) if (a < b) link(tabs[a]!, tabs[b]!)
  for (const tab of tabs) fetch(tab, { kind: 'chunks_wanted', version: 1, chunks: references, whole })
  for (let event = nextOf(network); event !== undefined && unfinished.size > 0 && queue.nowMs < limitMs; event = nextOf(network)) {
    if (event.kind === 'origin_sends') originSends()
    else if (event.kind === 'linked') {
      if (isHere({ place: event.a, life: event.aLife }) && isHere({ place: event.b, life: event.bLife })) link(tabs[event.a]!, tabs[event.b]!)
    } else if (isHere(event)) {
      const tab = tabs[event.place]!
      if (event.kind === 'fetch') fetch(tab, event.input)
      else if (event.kind === 'supply') supply(tab, event.input)
      else if (event.kind === 'leaves') leave(tab)
      else if (event.kind === 'grant_wanted') {
        const hashes = grant(tab, event.asked)
        send(network, ORIGIN_PLACE, tab.place, MESSAGE_BYTES, { kind: 'fetch', place: tab.place, life: tab.life, input: { kind: 'origin_granted', version: 1, hashes } })
      } else {
        const { place, life, hash, offset } = event
        waiting.push({ place, life, hash, offset, left: chunkBytes - (offset / STAND_IN_PIECE) * pieceBytes })
        if (downloads.length === 0) originSends()
      }
    }
  }
  for (const place of unfinished) tally(tabs[place]!)
  return { doneMs, originCopies: originBytes / (count * chunkBytes), discarded: received.discarded / received.all }
}

function standIn(rng: Rng): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: STAND_IN_PIECE * PIECES_PER_CHUNK }, () => rng.below(256))
}

function nameOf({ place, life }: Tab): string {
  return `${place}/${life}`
}

function placeOf(name: string): number {
  return Number.parseInt(name, 10)
}
