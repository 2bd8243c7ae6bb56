import { deleteDB } from 'idb'
import { DATABASE_NAME, openChunkDatabase, write, type ChunkDatabase } from './chunk-database.ts'
import { makeRoom, usageOf, type Usage } from './chunk-ledger.ts'
import { changePreferences, DEFAULT_CAP_BYTES, readPreferences, type Preferences } from './preferences.ts'
import { isStorageRefusal } from './spilling-chunk-store.ts'
import { StorageChanges } from './storage-changes.ts'

/** What the site keeps in this browser, for all its tabs together. */
export interface SiteState extends Usage {
  /** false where the browser refuses its database: nothing is kept, choices included. */
  readonly available: boolean
  readonly capBytes: number
  /** The cap is not a choice of the volunteer's, but of whoever wrote the page's address. */
  readonly capFixed: boolean
  readonly hideAddress: boolean
  /** As with the cap. */
  readonly addressFixed: boolean
  /** The browser has promised to delete nothing by itself. */
  readonly persisted: boolean
  /** `blocked`: another tab does not let go of the database. Deleting goes on when it does, or is closed. */
  readonly deletion: 'deleting' | 'blocked' | 'done' | null
}

export const INITIAL_SITE_STATE: SiteState = { available: true, usedBytes: 0, baseBytes: 0, capBytes: DEFAULT_CAP_BYTES, capFixed: false, hideAddress: false, addressFixed: false, persisted: false, deletion: null }

/** How the page sees and changes what the site keeps. It opens the database only for as long as each question takes, and never makes one to read it. */
export class SiteStorage {
  readonly #told: (state: SiteState) => void
  readonly #fixed: Partial<SiteState>
  readonly #manager: StorageManager | undefined
  readonly #changes = new StorageChanges()
  #reads = 0
  #state = INITIAL_SITE_STATE
  /** A database that is not there may be one that cannot be made. */
  #refused = false
  /** Choices that could not be kept hold for this page. */
  #chosen: Preferences = {}

  /**
   * @param fixed instead of what the volunteer prefers
   * @param manager browsers have none on pages that are not secure
   */
  constructor(told: (state: SiteState) => void, fixed: Preferences = {}, manager?: StorageManager) {
    this.#fixed = { ...fixed, capFixed: fixed.capBytes !== undefined, addressFixed: fixed.hideAddress !== undefined }
    this.#told = told
    this.#manager = manager
    this.#changes.listen(() => void this.refresh())
  }

  async refresh(): Promise<SiteState> {
    const read = ++this.#reads
    const kept = await this.#read()
    const persisted = (await this.#manager?.persisted()) === true
    const state: SiteState = {
      ...this.#state,
      available: kept !== undefined && !this.#refused,
      ...usageOf(kept?.owners ?? []),
      capBytes: DEFAULT_CAP_BYTES,
      hideAddress: false,
      ...kept?.preferences,
      ...this.#chosen,
      ...this.#fixed,
      persisted,
      ...(this.#state.deletion === 'done' && kept !== undefined && kept.owners.length > 0 && { deletion: null })
    }
    // What was read before something else changed is not told after it.
    if (read === this.#reads) this.#is(state)
    return state
  }

  /** Lowering the cap frees the space at once, in base models last. */
  async keepAtMost(capBytes: number): Promise<void> {
    await this.#prefer({ capBytes }, database => write(database, writing => makeRoom(writing, 0, capBytes, new Set())))
  }

  async hideAddress(hideAddress: boolean): Promise<void> {
    await this.#prefer({ hideAddress })
  }

  /** Asks the browser to delete nothing by itself when the disk gets full; some ask the person. */
  async persist(): Promise<void> {
    await this.#manager?.persist()
    await this.refresh()
  }

  /** Chunks, choices, and whatever else an earlier version of the page has left. */
  async deleteEverything(): Promise<void> {
    this.#is({ deletion: 'deleting' })
    this.#chosen = {}
    try {
      for (const name of await databaseNames()) await deleteDB(name, { blocked: () => this.#is({ deletion: 'blocked' }) })
      localStorage.clear()
      sessionStorage.clear()
    } catch (error) {
      if (!isStorageRefusal(error)) throw error
      // What a browser refuses to open, it has kept nothing in.
    }
    this.#is({ deletion: 'done' })
    this.#changes.tell()
    await this.refresh()
  }

  close(): void {
    this.#changes.close()
  }

  async #prefer(chosen: Preferences, also: (database: ChunkDatabase) => Promise<unknown> = () => Promise.resolve()): Promise<void> {
    this.#chosen = { ...this.#chosen, ...chosen }
    this.#is({ ...chosen, deletion: null })
    this.#refused = true
    await this.#withDatabase(async database => {
      await changePreferences(database, chosen)
      await also(database)
      this.#chosen = {}
      this.#refused = false
    })
    this.#changes.tell()
    await this.refresh()
  }

  /** @returns undefined where the browser refuses */
  #read(): Promise<{ owners: Parameters<typeof usageOf>[0]; preferences: Preferences } | undefined> {
    return this.#withDatabase(async database => ({ owners: await database.getAll('owners'), preferences: await readPreferences(database) }), { owners: [], preferences: {} })
  }

  /** @param absent the result where there is no database yet; without it, one is made */
  async #withDatabase<Result>(task: (database: ChunkDatabase) => Promise<Result>, absent?: Result): Promise<Result | undefined> {
    try {
      if (absent !== undefined && !(await databaseNames()).includes(DATABASE_NAME)) return absent
      const database = await openChunkDatabase(DATABASE_NAME)
      try {
        return await task(database)
      } finally {
        database.close()
      }
    } catch (error) {
      if (!isStorageRefusal(error)) throw error
      return undefined
    }
  }

  #is(changed: Partial<SiteState>): void {
    this.#state = { ...this.#state, ...changed }
    this.#told(this.#state)
  }
}

async function databaseNames(): Promise<string[]> {
  return (await indexedDB.databases()).flatMap(({ name }) => name ?? [])
}
