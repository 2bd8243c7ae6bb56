import type { ChunkOwner, ChunkStore } from './chunk-store.ts'
import { IdbChunkStore } from './idb-chunk-store.ts'
import { MemoryChunkStore } from './memory-chunk-store.ts'

/** Enough for a base model and some adapters of the sizes that a WASM tab can run. */
const BUDGET_BYTES = 2 * 1024 ** 3

/** The browser's database, and memory for whatever that refuses: a full disk or a private window must not stop a tab. */
export async function openChunkStore(now: () => number, name = 'murmuration-chunks', budgetBytes = BUDGET_BYTES): Promise<ChunkStore> {
  const memory = new MemoryChunkStore(budgetBytes)
  try {
    return new SpillingChunkStore(await IdbChunkStore.open(name, budgetBytes, now), memory)
  } catch (error) {
    if (!isStorageRefusal(error)) throw error
    return memory
  }
}

/** Stores in the first store, and in the second what the first refuses. */
export class SpillingChunkStore implements ChunkStore {
  readonly #first: ChunkStore
  readonly #second: ChunkStore

  constructor(first: ChunkStore, second: ChunkStore) {
    this.#first = first
    this.#second = second
  }

  async get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return (await this.#second.get(hash)) ?? (await this.#fromFirst(() => this.#first.get(hash)))
  }

  async put(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner): Promise<void> {
    try {
      await this.#first.put(hash, bytes, owner)
    } catch (error) {
      if (!isStorageRefusal(error)) throw error
      await this.#second.put(hash, bytes, owner)
    }
  }

  pin(owner: ChunkOwner): void {
    this.#first.pin(owner)
    this.#second.pin(owner)
  }

  async forget(owner: ChunkOwner): Promise<void> {
    await this.#second.forget(owner)
    await this.#fromFirst(() => this.#first.forget(owner))
  }

  async #fromFirst<T>(task: () => Promise<T>): Promise<T | undefined> {
    try {
      return await task()
    } catch (error) {
      if (!isStorageRefusal(error)) throw error
      return undefined
    }
  }
}

/** IndexedDB reports all that the browser refuses or loses (quota, private windows, eviction) as DOMException. */
function isStorageRefusal(error: unknown): boolean {
  return error instanceof DOMException
}
