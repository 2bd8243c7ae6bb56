import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import { intact, ownerKey, ownersToForget, type ChunkOwner, type ChunkStore } from './chunk-store.ts'

interface ChunkDatabase extends DBSchema {
  chunks: { key: string; value: { hash: string; bytes: Uint8Array<ArrayBuffer>; owner: string }; indexes: { owner: string } }
  owners: { key: string; value: { key: string; bytes: number; lastUsed: number } }
}

const DATABASE_VERSION = 1

/** Chunks in IndexedDB, shared by all tabs of the origin and kept between visits. */
export class IdbChunkStore implements ChunkStore {
  readonly #database: IDBPDatabase<ChunkDatabase>
  readonly #budgetBytes: number
  readonly #now: () => number
  readonly #pinned = new Set<string>()

  private constructor(database: IDBPDatabase<ChunkDatabase>, budgetBytes: number, now: () => number) {
    this.#database = database
    this.#budgetBytes = budgetBytes
    this.#now = now
  }

  /** @throws DOMException where the browser refuses storage (private windows, storage switched off) */
  static async open(name: string, budgetBytes: number, now: () => number): Promise<IdbChunkStore> {
    const database = await openDB<ChunkDatabase>(name, DATABASE_VERSION, {
      upgrade: created => {
        created.createObjectStore('chunks', { keyPath: 'hash' }).createIndex('owner', 'owner')
        created.createObjectStore('owners', { keyPath: 'key' })
      }
    })
    return new IdbChunkStore(database, budgetBytes, now)
  }

  async get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const entry = await this.#database.get('chunks', hash)
    if (entry === undefined) return undefined
    const bytes = intact(hash, entry.bytes)
    if (bytes === undefined) {
      await this.#database.delete('chunks', hash)
      return undefined
    }
    await this.#account(entry.owner, 0)
    return bytes
  }

  /** @throws DOMException QuotaExceededError when the browser has no more space for this origin */
  async put(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner): Promise<void> {
    const key = ownerKey(owner)
    await this.#database.put('chunks', { hash, bytes, owner: key })
    await this.#account(key, bytes.byteLength)
    const owners = await this.#database.getAll('owners')
    for (const forgotten of ownersToForget(owners, this.#budgetBytes, this.#pinned, key)) await this.#forget(forgotten)
  }

  pin(owner: ChunkOwner): void {
    this.#pinned.add(ownerKey(owner))
  }

  forget(owner: ChunkOwner): Promise<void> {
    return this.#forget(ownerKey(owner))
  }

  close(): void {
    this.#database.close()
  }

  async #account(owner: string, addedBytes: number): Promise<void> {
    const transaction = this.#database.transaction('owners', 'readwrite')
    const record = await transaction.store.get(owner)
    await transaction.store.put({ key: owner, bytes: (record?.bytes ?? 0) + addedBytes, lastUsed: this.#now() })
    await transaction.done
  }

  async #forget(owner: string): Promise<void> {
    const transaction = this.#database.transaction(['chunks', 'owners'], 'readwrite')
    const chunks = transaction.objectStore('chunks')
    for (const hash of await chunks.index('owner').getAllKeys(owner)) await chunks.delete(hash)
    await transaction.objectStore('owners').delete(owner)
    await transaction.done
  }
}
