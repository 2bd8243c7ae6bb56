import { intact, nextToForget, ownerKey, withoutSurroundings, type ChunkOwner, type ChunkStore, type OwnerRecord, type PutOutcome } from './chunk-store.ts'

interface Entry {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The first one is charged for it. */
  readonly owners: Set<string>
}

/** Chunks of this page load only. What is needed now stays, whatever it takes: there is nowhere else to put it. */
export class MemoryChunkStore implements ChunkStore {
  readonly #budgetBytes: number
  readonly #entries = new Map<string, Entry>()
  readonly #lastUsed = new Map<string, number>()
  readonly #pinned = new Set<string>()
  #uses = 0

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  async get(hash: string, owner?: ChunkOwner): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const entry = this.#entries.get(hash)
    if (entry === undefined) return undefined
    if (owner !== undefined) entry.owners.add(ownerKey(owner))
    for (const key of entry.owners) this.#lastUsed.set(key, ++this.#uses)
    const bytes = await intact(hash, entry.bytes)
    if (bytes === undefined && this.#entries.get(hash) === entry) this.#entries.delete(hash)
    return bytes?.slice()
  }

  put(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner): Promise<PutOutcome> {
    const key = ownerKey(owner)
    this.#entries.set(hash, { bytes: withoutSurroundings(bytes), owners: new Set([...(this.#entries.get(hash)?.owners ?? []), key]) })
    this.#lastUsed.set(key, ++this.#uses)
    const staying = new Set([...this.#pinned, key])
    for (;;) {
      const owners = this.#owners()
      const next = nextToForget(owners, staying)
      if (next === undefined || owners.reduce((total, record) => total + record.bytes, 0) <= this.#budgetBytes) break
      this.#forget(next.key)
    }
    return Promise.resolve('stored')
  }

  pin(owner: ChunkOwner): void {
    this.#pinned.add(ownerKey(owner))
  }

  forget(owner: ChunkOwner): Promise<void> {
    this.#forget(ownerKey(owner))
    return Promise.resolve()
  }

  #owners(): OwnerRecord[] {
    const bytes = new Map<string, number>()
    for (const entry of this.#entries.values()) {
      const [charged] = entry.owners
      bytes.set(charged!, (bytes.get(charged!) ?? 0) + entry.bytes.byteLength)
    }
    return [...this.#lastUsed].map(([key, lastUsed]) => ({ key, lastUsed, bytes: bytes.get(key) ?? 0, base: this.#pinned.has(key) }))
  }

  #forget(key: string): void {
    for (const [hash, { owners }] of this.#entries) if (owners.delete(key) && owners.size === 0) this.#entries.delete(hash)
    this.#lastUsed.delete(key)
  }
}
