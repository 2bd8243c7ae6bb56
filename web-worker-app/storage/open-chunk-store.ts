import type { ChunkStore } from './chunk-store.ts'
import { DATABASE_NAME } from './chunk-database.ts'
import { IdbChunkStore } from './idb-chunk-store.ts'
import { MemoryChunkStore } from './memory-chunk-store.ts'
import { isStorageRefusal, SpillingChunkStore, type StorageCondition } from './spilling-chunk-store.ts'

/** Of what is in memory because it cannot be stored, versions that nobody needs at the moment are kept up to this. */
const MEMORY_BUDGET_BYTES = 2_000_000_000

export interface StoreOpening {
  readonly name?: string
  /** Instead of the cap that the volunteer prefers. */
  readonly capBytes?: number
  /** Without a database, and without a word about it. */
  readonly memoryOnly?: boolean
}

/**
 * The browser's database, and memory for whatever that refuses: a full disk or a private window must not stop a tab.
 * @param told of where chunks go, whenever that changes; it is `kept` at first
 */
export async function openChunkStore(now: () => number, { name = DATABASE_NAME, capBytes, memoryOnly = false }: StoreOpening = {}, told: (condition: StorageCondition) => void = () => {}): Promise<ChunkStore> {
  const memory = new MemoryChunkStore(MEMORY_BUDGET_BYTES)
  if (memoryOnly) return memory
  try {
    const database = await IdbChunkStore.open(name, capBytes, now, () => store.lost())
    const store = new SpillingChunkStore(database, memory, told)
    return store
  } catch (error) {
    if (!isStorageRefusal(error)) throw error
    told('refused')
    return memory
  }
}
