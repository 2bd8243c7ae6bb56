import type { ChunkOwner, ChunkStore, PutOutcome } from './chunk-store.ts'

/**
 * What a person should know of where chunks go. `kept`: into the browser's storage. Otherwise what is new is in memory only, because
 * the storage is `refused` (private window, switched off), `full` (no space, or none that the browser grants), `over_cap` (the volunteer
 * allows no more) or `lost` (deleted while the page was using it).
 */
export type StorageCondition = 'kept' | 'refused' | 'full' | 'over_cap' | 'lost'

/** Stores in the first store, and in memory what the first refuses: nothing about storage may stop a tab. */
export class SpillingChunkStore implements ChunkStore {
  readonly #first: ChunkStore
  readonly #memory: ChunkStore
  readonly #told: (condition: StorageCondition) => void
  #condition: StorageCondition = 'kept'

  /** @param told of every change; it is `kept` at first */
  constructor(first: ChunkStore, memory: ChunkStore, told: (condition: StorageCondition) => void) {
    this.#first = first
    this.#memory = memory
    this.#told = told
  }

  /** The first store is no more. */
  lost(): void {
    this.#is('lost')
  }

  async get(hash: string, owner?: ChunkOwner): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return (await this.#memory.get(hash, owner)) ?? (await this.#fromFirst(() => this.#first.get(hash, owner)))
  }

  async put(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner): Promise<PutOutcome> {
    const refused = await this.#putFirst(hash, bytes, owner)
    this.#is(refused ?? 'kept')
    if (refused !== undefined) await this.#memory.put(hash, bytes, owner)
    return 'stored'
  }

  pin(owner: ChunkOwner): void {
    this.#first.pin(owner)
    this.#memory.pin(owner)
  }

  async forget(owner: ChunkOwner): Promise<void> {
    await this.#memory.forget(owner)
    await this.#fromFirst(() => this.#first.forget(owner))
  }

  /** @returns why not, where it is not stored */
  async #putFirst(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner): Promise<Exclude<StorageCondition, 'kept'> | undefined> {
    if (this.#condition === 'lost') return 'lost'
    try {
      return (await this.#first.put(hash, bytes, owner)) === 'over_cap' ? 'over_cap' : undefined
    } catch (error) {
      if (!isStorageRefusal(error)) throw error
      return error.name === 'QuotaExceededError' ? 'full' : 'refused'
    }
  }

  async #fromFirst<T>(task: () => Promise<T>): Promise<T | undefined> {
    try {
      return await task()
    } catch (error) {
      if (!isStorageRefusal(error)) throw error
      return undefined
    }
  }

  #is(condition: StorageCondition): void {
    if (condition === this.#condition || this.#condition === 'lost') return
    this.#condition = condition
    this.#told(condition)
  }
}

/** IndexedDB reports all that the browser refuses or loses (quota, private windows, eviction) as DOMException. */
export function isStorageRefusal(error: unknown): error is DOMException {
  return error instanceof DOMException
}
