import type { ChunkStore } from '../storage/chunk-store.ts'
import type { StorageCondition } from '../storage/spilling-chunk-store.ts'

/** @param told of where chunks go, whenever that changes */
export type OpenStore = (told: (condition: StorageCondition) => void) => Promise<ChunkStore>

/** The chunk store of a tab, from one start to the next: before the first, nothing is kept. */
export class TabStorage {
  readonly #open: OpenStore
  readonly #changed: () => void
  #store: Promise<ChunkStore> | undefined
  #condition: StorageCondition = 'kept'

  constructor(open: OpenStore, changed: () => void) {
    this.#open = open
    this.#changed = changed
  }

  get condition(): StorageCondition {
    return this.#condition
  }

  /** Only a person's consent may bring a lost store back. */
  start(): void {
    if (this.#condition === 'lost') this.letGo()
  }

  opened(): Promise<ChunkStore> {
    if (this.#store !== undefined) return this.#store
    const store = this.#open(condition => {
      if (this.#store !== store) return
      this.#condition = condition
      this.#changed()
    })
    this.#store = store
    return store
  }

  letGo(): void {
    this.#store = undefined
    this.#condition = 'kept'
    this.#changed()
  }
}
