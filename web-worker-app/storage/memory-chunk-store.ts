import { intact, ownerKey, ownersToForget, type ChunkOwner, type ChunkStore } from './chunk-store.ts'

interface Entry {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly owner: string
}

/** Chunks of this page load only. */
export class MemoryChunkStore implements ChunkStore {
  readonly #budgetBytes: number
  readonly #entries = new Map<string, Entry>()
  readonly #lastUsed = new Map<string, number>()
  readonly #pinned = new Set<string>()
  #uses = 0

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const entry = this.#entries.get(hash)
    if (entry === undefined) return Promise.resolve(undefined)
    this.#lastUsed.set(entry.owner, ++this.#uses)
    const bytes = intact(hash, entry.bytes)
    if (bytes === undefined) this.#entries.delete(hash)
    return Promise.resolve(bytes?.slice())
  }

  put(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner): Promise<void> {
    const key = ownerKey(owner)
    this.#entries.set(hash, { bytes, owner: key })
    this.#lastUsed.set(key, ++this.#uses)
    const owners = [...this.#lastUsed].map(([candidate, lastUsed]) => ({ key: candidate, lastUsed, bytes: this.#bytesOf(candidate) }))
    for (const forgotten of ownersToForget(owners, this.#budgetBytes, this.#pinned, key)) this.#forget(forgotten)
    return Promise.resolve()
  }

  pin(owner: ChunkOwner): void {
    this.#pinned.add(ownerKey(owner))
  }

  forget(owner: ChunkOwner): Promise<void> {
    this.#forget(ownerKey(owner))
    return Promise.resolve()
  }

  #bytesOf(owner: string): number {
    let total = 0
    for (const entry of this.#entries.values()) if (entry.owner === owner) total += entry.bytes.byteLength
    return total
  }

  #forget(owner: string): void {
    for (const [hash, entry] of this.#entries) if (entry.owner === owner) this.#entries.delete(hash)
    this.#lastUsed.delete(owner)
  }
}
