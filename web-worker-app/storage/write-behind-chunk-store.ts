import { ownerKey, type ChunkOwner, type ChunkStore, type PutOutcome } from './chunk-store.ts'

/** A version that lives so long is worth writing. */
const DELAY_MS = 10_000
/** Of all that waits; beyond it the oldest version is written at once. */
const MOST_BYTES = 64 * 2 ** 20

interface WaitingVersion {
  readonly owner: ChunkOwner
  readonly chunks: Map<string, Uint8Array<ArrayBuffer>>
  readonly timer: ReturnType<typeof setTimeout>
  writing?: Promise<void>
}

/**
 * Keeps what was rebuilt in memory for a while before it is stored. Where versions follow each other faster than that, none of them is ever
 * written and read again: the next one is rebuilt from memory. Whoever loses what waits, by a reload, fetches from an older version on.
 */
export class WriteBehindChunkStore implements ChunkStore {
  readonly #store: ChunkStore
  readonly #waiting = new Map<string, WaitingVersion>()

  constructor(store: ChunkStore) {
    this.#store = store
  }

  async get(hash: string, owner?: ChunkOwner): Promise<Uint8Array<ArrayBuffer> | undefined> {
    for (const { chunks } of this.#waiting.values()) {
      const bytes = chunks.get(hash)
      if (bytes === undefined) continue
      if (owner !== undefined) this.#keep(hash, bytes, owner)
      return bytes.slice()
    }
    return this.#store.get(hash, owner)
  }

  async put(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner, rebuilt = false): Promise<PutOutcome> {
    if (!rebuilt) return this.#store.put(hash, bytes, owner)
    this.#keep(hash, bytes.slice(), owner)
    while (this.#waitingBytes() > MOST_BYTES) await this.#write([...this.#waiting.keys()][0]!)
    return 'stored'
  }

  pin(owner: ChunkOwner): void {
    this.#store.pin(owner)
  }

  async forget(owner: ChunkOwner): Promise<void> {
    this.#release(ownerKey(owner))
    await this.#store.forget(owner)
  }

  #keep(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner): void {
    const key = ownerKey(owner)
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) return void waiting.chunks.set(hash, bytes)
    const timer = setTimeout(() => void this.#write(key), DELAY_MS)
    this.#waiting.set(key, { owner, chunks: new Map([[hash, bytes]]), timer })
  }

  #write(key: string): Promise<void> {
    const version = this.#waiting.get(key)!
    clearTimeout(version.timer)
    return (version.writing ??= this.#writeChunks(key, version))
  }

  /** A chunk is found in one place or the other all the while. */
  async #writeChunks(key: string, version: WaitingVersion): Promise<void> {
    for (const [hash, bytes] of version.chunks) {
      await this.#store.put(hash, bytes, version.owner)
      // Forgotten meanwhile: what was just written would stay for good.
      if (this.#waiting.get(key) !== version) return this.#store.forget(version.owner)
    }
    this.#release(key)
  }

  #release(key: string): void {
    clearTimeout(this.#waiting.get(key)?.timer)
    this.#waiting.delete(key)
  }

  #waitingBytes(): number {
    let bytes = 0
    for (const { chunks } of this.#waiting.values()) for (const chunk of chunks.values()) bytes += chunk.byteLength
    return bytes
  }
}
