import { openChunkDatabase, write, type ChunkDatabase, type Writing } from './chunk-database.ts'
import { addChunk, makeRoom, removeChunk, removeOwner, useChunk } from './chunk-ledger.ts'
import { intact, nextToForget, ownerKey, withoutSurroundings, type ChunkOwner, type ChunkStore, type PutOutcome } from './chunk-store.ts'
import { DEFAULT_CAP_BYTES, preferencesWithin } from './preferences.ts'
import { StorageChanges } from './storage-changes.ts'

/** Chunks in IndexedDB, shared by all tabs of the origin and kept between visits: never more than the cap that holds when one is stored. */
export class IdbChunkStore implements ChunkStore {
  readonly #database: ChunkDatabase
  /** undefined: what the volunteer prefers. */
  readonly #capBytes: number | undefined
  readonly #now: () => number
  readonly #pinned = new Set<string>()
  readonly #changes = new StorageChanges()

  private constructor(database: ChunkDatabase, capBytes: number | undefined, now: () => number) {
    this.#database = database
    this.#capBytes = capBytes
    this.#now = now
  }

  /**
   * @param lost the database was deleted, or is about to be: from now on the store refuses everything
   * @throws DOMException where the browser refuses storage (private windows, storage switched off)
   */
  static async open(name: string, capBytes: number | undefined, now: () => number, lost?: () => void): Promise<IdbChunkStore> {
    return new IdbChunkStore(await openChunkDatabase(name, lost), capBytes, now)
  }

  async get(hash: string, owner?: ChunkOwner): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const stored = await this.#database.get('chunks', hash)
    if (stored === undefined) return undefined
    const used = this.#note(writing => useChunk(writing, hash, this.#now(), owner && this.#claim(owner)))
    const [bytes] = await Promise.all([intact(hash, stored.bytes), used])
    if (bytes !== undefined) return bytes
    await this.#note(writing => removeChunk(writing, hash))
    this.#changes.tell()
    return undefined
  }

  /** @throws DOMException QuotaExceededError when the browser has no more space for this origin, with all forgotten that may go */
  async put(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner): Promise<PutOutcome> {
    for (;;) {
      try {
        const outcome = await write(this.#database, writing => this.#put(writing, hash, bytes, owner))
        if (outcome === 'stored') this.#changes.tell()
        return outcome
      } catch (error) {
        if (!(error instanceof DOMException && error.name === 'QuotaExceededError') || !(await this.#forgetNext(owner))) throw error
      }
    }
  }

  pin(owner: ChunkOwner): void {
    this.#pinned.add(ownerKey(owner))
  }

  async forget(owner: ChunkOwner): Promise<void> {
    await write(this.#database, writing => removeOwner(writing, ownerKey(owner)))
    this.#changes.tell()
  }

  close(): void {
    this.#changes.close()
    this.#database.close()
  }

  async #put(writing: Writing, hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner): Promise<PutOutcome> {
    // Another tab may have stored it meanwhile.
    if ((await writing.objectStore('entries').getKey(hash)) !== undefined) {
      await useChunk(writing, hash, this.#now(), this.#claim(owner))
      return 'stored'
    }
    const capBytes = this.#capBytes ?? (await preferencesWithin(writing)).capBytes ?? DEFAULT_CAP_BYTES
    if (!(await makeRoom(writing, bytes.byteLength, capBytes, this.#staying(owner)))) return 'over_cap'
    await addChunk(writing, hash, withoutSurroundings(bytes), this.#now(), this.#claim(owner))
    return 'stored'
  }

  /** A disk on which not even a number can be changed still gives out what is on it. */
  async #note(task: (writing: Writing) => Promise<void>): Promise<void> {
    try {
      await write(this.#database, task)
    } catch (error) {
      if (!(error instanceof DOMException)) throw error
    }
  }

  async #forgetNext(current: ChunkOwner): Promise<boolean> {
    return write(this.#database, async writing => {
      const next = nextToForget(await writing.objectStore('owners').getAll(), this.#staying(current))
      if (next !== undefined) await removeOwner(writing, next.key)
      return next !== undefined
    })
  }

  #claim(owner: ChunkOwner): { key: string; base: boolean } {
    const key = ownerKey(owner)
    return { key, base: this.#pinned.has(key) }
  }

  #staying(current: ChunkOwner): Set<string> {
    return new Set([...this.#pinned, ownerKey(current)])
  }
}
