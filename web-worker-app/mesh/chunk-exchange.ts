import { stepChunkFetcher, type FetchEffect, type FetchInput } from '#shared/dissemination/chunk-fetcher.ts'
import { createChunkFetcher } from '#shared/dissemination/fetcher-state.ts'
import { createChunkSupplier, stepChunkSupplier, type SupplyEffect, type SupplyInput } from '#shared/dissemination/chunk-supplier.ts'
import { chunksOf } from '#shared/dissemination/manifest.ts'
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import { createRng } from '#shared/random/rng.ts'
import type { OriginAsk } from '#shared/protocol/volunteer-messages.ts'
import type { ChunkStore } from '../storage/chunk-store.ts'
import type { ExchangeFault } from './exchange-fault.ts'
import type { LinkFrame } from './link-frame.ts'
import type { LinkChannels } from './link.ts'
import { Links, type LinkId } from './links.ts'
import { fetchFromOrigin } from './origin.ts'
import { RoundTrips } from './round-trips.ts'

export interface ChunkExchangeOptions {
  readonly store: ChunkStore
  readonly linkUp: (id: LinkId) => void
  /** The link's connection is of no more use. */
  readonly linkClosed: (id: LinkId) => void
  /** A fragment of a stage frame, as it came. */
  readonly stageFragment: (peer: string, fragment: Uint8Array<ArrayBuffer>) => void
  /** Measured over the link. */
  readonly roundTrip: (peer: string, ms: number) => void
  /** Bytes of pieces left in so many milliseconds, while there were always more to send. */
  readonly uploaded: (bytes: number, ms: number) => void
  /** Which chunks to take from the origin, as the signaling server says; undefined when it does not. */
  readonly grant: (ask: OriginAsk) => Promise<readonly string[] | undefined>
  /** Nobody who can be reached has all of the version. It is waited for until `forget`. */
  readonly unavailable: (version: number) => void
  /** Bytes or links have changed. */
  readonly changed: () => void
  readonly fault: (fault: ExchangeFault) => void
}

/** Chunks kept at hand while pieces of them are sent: reading one checks its hash, which takes longer than sending a piece. Every neighbour may be at another, and at the next. */
const CHUNKS_AT_HAND = 2 * LIMITS.linksPerPeer
/** Pieces come by the hundred a second. */
const PROGRESS_MS = 50
/** Failures of the origin in a row, without a byte from anywhere, after which people are told. */
const FAILURES_SHOWN = 3

interface Waiting {
  readonly manifest: PartOfManifest
  /** Whose chunks are here, and on which the way to the version begins. */
  readonly from: PolicyVersion | null
  readonly missing: Set<string>
  readonly resolve: (fetched: boolean) => void
}

/** Carries out what the fetching and the supplying machine decide, over data channels, HTTP and the chunk store. */
export class ChunkExchange {
  readonly #options: ChunkExchangeOptions
  readonly #links: Links
  readonly #roundTrips: RoundTrips
  readonly #fetcher = createChunkFetcher()
  readonly #supplier = createChunkSupplier()
  readonly #waiting = new Map<number, Waiting>()
  /** Versions whose chunks are looked up in the store, and for which manifest: a later call replaces it. */
  readonly #lookedUp = new Map<number, PartOfManifest>()
  readonly #atHand = new Map<string, Promise<Uint8Array<ArrayBuffer> | undefined>>()
  readonly #rng = createRng(crypto.randomUUID())
  readonly #stopped = new AbortController()
  #failuresInARow = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #progressTimer: ReturnType<typeof setTimeout> | undefined

  constructor(options: ChunkExchangeOptions) {
    this.#options = options
    this.#links = new Links({
      linkUp: (peer, id) => {
        this.#fetch({ kind: 'link_up', peer })
        this.#supply({ kind: 'link_up', peer })
        this.#roundTrips.linkUp(peer)
        options.linkUp(id)
        options.changed()
      },
      linkDown: peer => {
        this.#fetch({ kind: 'link_down', peer })
        this.#supply({ kind: 'link_down', peer })
        this.#roundTrips.linkDown(peer)
        options.changed()
      },
      closed: options.linkClosed,
      frame: (peer, frame) => this.#takeFrame(peer, frame),
      stageFragment: options.stageFragment,
      uploaded: options.uploaded
    })
    this.#roundTrips = new RoundTrips((peer, id) => this.#links.sendMessage(peer, { kind: 'ping', id }), options.roundTrip, () => performance.now())
  }

  get bytesFromOrigin(): number {
    return this.#fetcher.received.fromOrigin
  }

  get bytesFromPeers(): number {
    return this.#fetcher.received.fromPeers
  }

  /** Chunks are wanted, and nobody delivers them at the moment. */
  get unreachable(): boolean {
    return this.#waiting.size > 0 && this.#failuresInARow >= FAILURES_SHOWN
  }

  addLink(peer: string, id: LinkId, channels: LinkChannels): void {
    this.#links.add(peer, id, channels)
  }

  removeLink(peer: string, id: LinkId): void {
    this.#links.remove(peer, id)
  }

  /** Lost when there is no link that is up. */
  sendStageFragment(peer: string, fragment: Uint8Array<ArrayBuffer>): void {
    this.#links.sendStageFragment(peer, fragment)
  }

  /**
   * @param from the version on whose chunks, which are here, the way to this one begins
   * @returns true when every chunk is stored; false when it was given up before
   */
  async fetchVersion(manifest: PartOfManifest, from: PolicyVersion | null = null): Promise<boolean> {
    const { version } = manifest
    this.#giveUp(version)
    this.#lookedUp.set(version, manifest)
    const chunks = chunksOf(manifest)
    const missing = new Set<string>()
    for (const { hash, size } of chunks) {
      if ((await this.#options.store.get(hash, manifest)) === undefined) missing.add(hash)
      else this.#supply({ kind: 'chunk_held', hash, size })
    }
    if (this.#lookedUp.get(version) !== manifest) return false
    this.#lookedUp.delete(version)
    if (missing.size === 0) return true
    return new Promise<boolean>(resolve => {
      this.#waiting.set(version, { manifest, from, missing, resolve })
      this.#fetch({ kind: 'chunks_wanted', version, chunks: chunks.filter(({ hash }) => missing.has(hash)), whole: manifest.kind !== 'lora' && from === null })
    })
  }

  /** Neither fetched nor supplied any more. Chunks that other versions share with it must not be forgotten with it. */
  forget(manifest: PartOfManifest, shared: ReadonlySet<string>): void {
    this.#giveUp(manifest.version)
    const hashes = chunksOf(manifest).map(({ hash }) => hash).filter(hash => !shared.has(hash))
    this.#fetch({ kind: 'chunks_unwanted', hashes })
    for (const hash of hashes) this.#atHand.delete(hash)
    this.#supply({ kind: 'chunks_dropped', hashes })
  }

  close(): void {
    this.#stopped.abort()
    clearTimeout(this.#timer)
    clearTimeout(this.#progressTimer)
    for (const version of [...this.#lookedUp.keys(), ...this.#waiting.keys()]) this.#giveUp(version)
    this.#links.closeAll()
    this.#roundTrips.close()
  }

  #takeFrame(peer: string, frame: LinkFrame): void {
    if (frame.kind === 'piece') {
      this.#fetch({ kind: 'piece_arrived', peer, piece: frame.piece })
      return this.#tellProgress()
    }
    if (frame.kind === 'bad_frame') return this.#refuseFrame(peer, frame)
    const { message } = frame
    switch (message.kind) {
      case 'piece_wanted':
        return this.#supply({ ...message, peer })
      case 'chunks_held':
      case 'chunks_dropped':
        return this.#fetch({ kind: message.kind, peer, hashes: message.hashes })
      case 'chunk_unavailable':
        return this.#fetch({ kind: 'chunk_unavailable', peer, hash: message.hash })
      case 'chunk_refused':
        this.#options.fault({ kind: 'refused_by', peer, code: message.code })
        return this.#fetch({ kind: 'chunk_unavailable', peer, hash: message.hash })
      case 'ping':
        return this.#links.sendMessage(peer, { kind: 'pong', id: message.id })
      case 'pong':
        return this.#roundTrips.answered(peer, message.id)
    }
  }

  /** A frame that names its chunk ends that chunk's exchange; one that names none ends the link. Others deliver the rest. */
  #refuseFrame(peer: string, { hash, code }: Extract<LinkFrame, { kind: 'bad_frame' }>): void {
    this.#options.fault({ kind: 'refused', sources: [peer], code, hash })
    if (hash === undefined) return this.#links.close(peer)
    this.#links.sendMessage(peer, { kind: 'chunk_refused', hash, code })
    this.#fetch({ kind: 'chunk_unavailable', peer, hash })
  }

  #tellProgress(): void {
    this.#progressTimer ??= setTimeout(() => {
      this.#progressTimer = undefined
      this.#options.changed()
    }, PROGRESS_MS)
  }

  #fetch(input: FetchInput): void {
    if (this.#stopped.signal.aborted) return
    for (const effect of stepChunkFetcher(this.#fetcher, input, { now: performance.now(), rng: this.#rng })) this.#carryOutFetch(effect)
  }

  #carryOutFetch(effect: FetchEffect): void {
    switch (effect.kind) {
      case 'ask_piece': {
        const { peer, hash, offset, length } = effect
        return this.#links.sendMessage(peer, { kind: 'piece_wanted', hash, offset, length })
      }
      case 'ask_grant':
        void this.#askGrant(effect)
        return
      case 'ask_origin':
        void this.#askOrigin(effect.hash, effect.offset)
        return
      case 'chunk_missing':
        for (const [version, { missing }] of this.#waiting) if (missing.has(effect.hash)) this.#options.unavailable(version)
        return
      case 'chunk_complete':
        void this.#storeChunk(effect.hash, effect.bytes)
        return
      case 'refuse_chunk':
        this.#options.fault({ kind: 'refused', sources: [effect.peer], code: effect.code, hash: effect.hash })
        return this.#links.sendMessage(effect.peer, { kind: 'chunk_refused', hash: effect.hash, code: effect.code })
      case 'suspect_sources':
        return this.#options.fault({ kind: 'refused', sources: effect.sources, code: 'hash_mismatch', hash: effect.hash })
      case 'supplier_stalled':
        return this.#options.fault({ kind: 'stalled', peer: effect.peer })
      case 'ban_peer':
        this.#options.fault({ kind: 'banned', peer: effect.peer })
        return this.#links.close(effect.peer)
      case 'wake_at':
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.#fetch({ kind: 'time_passed' }), Math.max(0, effect.at - performance.now()))
    }
  }

  async #askGrant({ version, need, chunks }: Extract<FetchEffect, { kind: 'ask_grant' }>): Promise<void> {
    const hashes = await this.#options.grant({ version, need, from: this.#waiting.get(version)?.from ?? null, ...(chunks !== undefined && { chunks: [...chunks] }) })
    this.#fetch(hashes === undefined ? { kind: 'grant_unanswered', version } : { kind: 'origin_granted', version, hashes })
  }

  async #askOrigin(hash: string, offset: number): Promise<void> {
    const answer = await fetchFromOrigin(hash, offset, this.#stopped.signal)
    const failed = answer === undefined || answer === 'unknown'
    this.#failuresInARow = failed ? this.#failuresInARow + 1 : 0
    this.#fetch(failed ? { kind: answer === undefined ? 'origin_failed' : 'origin_lacks', hash } : { kind: 'origin_answered', hash, bytes: answer })
    this.#options.changed()
  }

  async #storeChunk(hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#failuresInARow = 0
    const owner = [...this.#waiting.values()].find(({ missing }) => missing.has(hash))?.manifest
    if (owner === undefined) return
    await this.#options.store.put(hash, bytes, owner)
    // Others will ask for it next.
    this.#keepAtHand(hash, Promise.resolve(bytes))
    this.#supply({ kind: 'chunk_held', hash, size: bytes.byteLength })
    this.#options.changed()
    for (const [version, { missing, resolve }] of this.#waiting) {
      missing.delete(hash)
      if (missing.size > 0) continue
      this.#waiting.delete(version)
      resolve(true)
    }
  }

  #giveUp(version: number): void {
    const waiting = this.#waiting.get(version)
    this.#lookedUp.delete(version)
    this.#waiting.delete(version)
    waiting?.resolve(false)
  }

  #supply(input: SupplyInput): void {
    if (this.#stopped.signal.aborted) return
    for (const effect of stepChunkSupplier(this.#supplier, input)) void this.#carryOutSupply(effect)
  }

  async #carryOutSupply(effect: SupplyEffect): Promise<void> {
    const { peer } = effect
    switch (effect.kind) {
      case 'send_piece': {
        const { hash } = effect
        const bytes = await this.#read(hash)
        if (bytes === undefined) return this.#supply({ kind: 'chunks_dropped', hashes: [hash] })
        return this.#links.sendPiece(peer, { hash, offset: effect.offset, sentAt: Math.floor(performance.now()), payload: bytes.subarray(effect.offset, effect.offset + effect.length) })
      }
      case 'tell_held':
      case 'tell_dropped':
        return this.#links.sendMessage(peer, { kind: effect.kind === 'tell_held' ? 'chunks_held' : 'chunks_dropped', hashes: [...effect.hashes] })
      case 'send_unavailable':
        return this.#links.sendMessage(peer, { kind: 'chunk_unavailable', hash: effect.hash })
      case 'refuse_want':
        return this.#links.sendMessage(peer, { kind: 'chunk_refused', hash: effect.hash, code: effect.code })
    }
  }

  #read(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const bytes = this.#atHand.get(hash) ?? this.#options.store.get(hash)
    this.#keepAtHand(hash, bytes)
    return bytes
  }

  #keepAtHand(hash: string, bytes: Promise<Uint8Array<ArrayBuffer> | undefined>): void {
    this.#atHand.delete(hash)
    this.#atHand.set(hash, bytes)
    const [oldest] = this.#atHand.keys()
    if (this.#atHand.size > CHUNKS_AT_HAND && oldest !== undefined) this.#atHand.delete(oldest)
  }
}
