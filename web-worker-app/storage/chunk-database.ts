/** The database of the origin: chunks, the books about them, and what the volunteer prefers. Shared by all tabs, and kept between visits. */
import { openDB, type DBSchema, type IDBPDatabase, type IDBPTransaction } from 'idb'
import type { OwnerRecord } from './chunk-store.ts'

export const DATABASE_NAME = 'murmuration-chunks'
const DATABASE_VERSION = 2

/** What is known of a chunk without reading it. It is charged to the first of its owners; there is always one. */
export interface ChunkEntry {
  readonly hash: string
  readonly size: number
  readonly owners: readonly string[]
}

interface Schema extends DBSchema {
  chunks: { key: string; value: { hash: string; bytes: Uint8Array<ArrayBuffer> } }
  entries: { key: string; value: ChunkEntry; indexes: { owner: string } }
  owners: { key: string; value: OwnerRecord }
  /** One record, read by `preferences.ts`. */
  preferences: { key: string; value: unknown }
}

export type ChunkDatabase = IDBPDatabase<Schema>
type StoreNames = 'chunks' | 'entries' | 'owners' | 'preferences'
export type Writing = IDBPTransaction<Schema, StoreNames[], 'readwrite'>

const ALL_STORES: StoreNames[] = ['chunks', 'entries', 'owners', 'preferences']

/**
 * @param lost the browser or another tab has ended this connection: the database was deleted, or is about to be
 * @throws DOMException where the browser refuses storage (private windows, storage switched off)
 */
export async function openChunkDatabase(name: string, lost: () => void = () => {}): Promise<ChunkDatabase> {
  let givenUp = false
  return new Promise((resolve, reject) => {
    openDB<Schema>(name, DATABASE_VERSION, {
      upgrade: created => {
        for (const former of created.objectStoreNames) created.deleteObjectStore(former)
        created.createObjectStore('chunks', { keyPath: 'hash' })
        created.createObjectStore('entries', { keyPath: 'hash' }).createIndex('owner', 'owners', { multiEntry: true })
        created.createObjectStore('owners', { keyPath: 'key' })
        created.createObjectStore('preferences')
      },
      // A tab with an older page holds it, for as long as a person leaves that open.
      blocked: () => {
        givenUp = true
        reject(new DOMException('another tab holds an older database', 'InvalidStateError'))
      },
      blocking: (_current, _blocked, event) => {
        ;(event.target as IDBDatabase).close()
        lost()
      },
      terminated: lost
    }).then(database => (givenUp ? database.close() : resolve(database)), reject)
  })
}

/** Writes all or nothing. Of several tabs one writes at a time, so what it read before still holds when it writes. */
export async function write<Result>(database: ChunkDatabase, task: (writing: Writing) => Promise<Result>): Promise<Result> {
  const writing = database.transaction(ALL_STORES, 'readwrite')
  const [result] = await Promise.all([task(writing), writing.done])
  return result
}
