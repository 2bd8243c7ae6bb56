import { IDBFactory } from 'fake-indexeddb'
import 'fake-indexeddb/auto'
import { deleteDB } from 'idb'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { sha256Hex } from '#shared/crypto/sha256.ts'
import { nextToForget, type ChunkOwner, type ChunkStore } from './chunk-store.ts'
import { IdbChunkStore } from './idb-chunk-store.ts'
import { MemoryChunkStore } from './memory-chunk-store.ts'
import { openChunkStore } from './open-chunk-store.ts'
import { SpillingChunkStore, type StorageCondition } from './spilling-chunk-store.ts'

const KIB = 1024
let clock = 0
const now = () => ++clock

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory()
  clock = 0
})

function chunk(label: number, bytes = KIB): { hash: string; bytes: Uint8Array<ArrayBuffer> } {
  const content = new Uint8Array(bytes).fill(label)
  return { hash: sha256Hex(content), bytes: content }
}

const version = (number: number): ChunkOwner => ({ run: 'run', version: number })

/** Refuses every chunk, as a browser without space does. */
class FullStore extends MemoryChunkStore {
  override put(): Promise<never> {
    return Promise.reject(new DOMException('no space', 'QuotaExceededError'))
  }
}

const stores: Record<string, (budget: number) => Promise<ChunkStore>> = {
  memory: budget => Promise.resolve(new MemoryChunkStore(budget)),
  IndexedDB: budget => IdbChunkStore.open('chunks', budget, now),
  'IndexedDB with memory beside it': budget => openChunkStore(now, { name: 'chunks', capBytes: budget }),
  'memory beside a full store': budget => Promise.resolve(new SpillingChunkStore(new FullStore(budget), new MemoryChunkStore(budget), () => {}))
}

describe.each(Object.entries(stores))('%s', (_, open) => {
  test('gives back what was put and nothing else', async () => {
    const store = await open(10 * KIB)
    const { hash, bytes } = chunk(1)
    expect(await store.get(hash)).toBeUndefined()
    await store.put(hash, bytes, version(1))
    expect(await store.get(hash)).toEqual(bytes)
    await store.forget(version(1))
    expect(await store.get(hash)).toBeUndefined()
  })

  test('what was given out can be given away', async () => {
    const store = await open(10 * KIB)
    const { hash, bytes } = chunk(1)
    await store.put(hash, bytes.slice(), version(1))
    const given = await store.get(hash)
    structuredClone(given, { transfer: [given!.buffer] })
    expect(await store.get(hash)).toEqual(bytes)
  })

  test('of a view only what it shows is kept, not the whole buffer', async () => {
    const store = await open(10 * KIB)
    const { hash, bytes } = chunk(1)
    const around = new Uint8Array(30 * KIB)
    around.set(bytes, 7 * KIB)
    await store.put(hash, around.subarray(7 * KIB, 8 * KIB), version(1))
    around.fill(0)
    const given = await store.get(hash)
    expect(given).toEqual(bytes)
    expect(given!.buffer.byteLength).toBe(KIB)
  })

  test('a chunk that is not what its hash says is never given out', async () => {
    const store = await open(10 * KIB)
    await store.put(chunk(1).hash, chunk(2).bytes, version(1))
    expect(await store.get(chunk(1).hash)).toBeUndefined()
  })

  test('over the budget the least recently used version goes, the pinned base and the version being stored stay', async () => {
    const store = await open(3 * KIB)
    store.pin(version(0))
    for (const label of [0, 1, 2]) await store.put(chunk(label).hash, chunk(label).bytes, version(label))
    await store.get(chunk(1).hash)
    await store.put(chunk(3).hash, chunk(3).bytes, version(3))
    const present = await Promise.all([0, 1, 2, 3].map(async label => (await store.get(chunk(label).hash)) !== undefined))
    expect(present).toEqual([true, true, false, true])
  })
})

test('chunks outlive the page in IndexedDB', async () => {
  const first = await IdbChunkStore.open('chunks', 10 * KIB, now)
  await first.put(chunk(1).hash, chunk(1).bytes, version(1))
  first.close()
  const second = await openChunkStore(now, { name: 'chunks', capBytes: 10 * KIB })
  expect(await second.get(chunk(1).hash)).toEqual(chunk(1).bytes)
})

/** What a store that was opened in this way says of itself, besides what it does. */
async function openTelling(capBytes?: number): Promise<{ store: ChunkStore; conditions: StorageCondition[] }> {
  const conditions: StorageCondition[] = []
  return { store: await openChunkStore(now, { name: 'chunks', ...(capBytes !== undefined && { capBytes }) }, condition => conditions.push(condition)), conditions }
}

test('a browser that refuses its database leaves memory, and that is said', async () => {
  globalThis.indexedDB.open = () => {
    throw new DOMException('denied', 'SecurityError')
  }
  const { store, conditions } = await openTelling()
  await store.put(chunk(1).hash, chunk(1).bytes, version(1))
  expect(await store.get(chunk(1).hash)).toEqual(chunk(1).bytes)
  expect(conditions).toEqual(['refused'])
})

test('what does not fit under the cap is in memory only, and that is said until something fits again', async () => {
  const { store, conditions } = await openTelling(3 * KIB)
  store.pin(version(0))
  for (const label of [0, 1, 2, 3]) await store.put(chunk(label).hash, chunk(label).bytes, version(0))
  expect(conditions).toEqual(['over_cap'])
  expect(await Promise.all([0, 1, 2, 3].map(label => store.get(chunk(label).hash)))).not.toContain(undefined)
  const next = await IdbChunkStore.open('chunks', 3 * KIB, now)
  expect(await Promise.all([0, 1, 2, 3].map(async label => (await next.get(chunk(label).hash)) !== undefined))).toEqual([true, true, true, false])
  await next.forget(version(0))
  await store.put(chunk(4).hash, chunk(4).bytes, version(1))
  expect(conditions).toEqual(['over_cap', 'kept'])
})

test('a database that is deleted while a tab uses it is let go at once, and the tab goes on in memory', async () => {
  const { store, conditions } = await openTelling()
  await store.put(chunk(1).hash, chunk(1).bytes, version(1))
  const blocked = vi.fn<() => void>()
  await deleteDB('chunks', { blocked })
  expect(blocked).not.toHaveBeenCalled()
  expect(conditions).toEqual(['lost'])
  expect(await store.get(chunk(1).hash)).toBeUndefined()
  await store.put(chunk(1).hash, chunk(1).bytes, version(1))
  expect(await store.get(chunk(1).hash)).toEqual(chunk(1).bytes)
  expect((await indexedDB.databases()).map(({ name }) => name)).toEqual([])
})

test('a disk that is full gives up old versions for a new one, and the base model never', async () => {
  const store = await IdbChunkStore.open('chunks', 100 * KIB, now)
  store.pin(version(0))
  for (const label of [0, 1, 2]) await store.put(chunk(label).hash, chunk(label).bytes, version(label))
  // As if the disk had space again only after two chunks were deleted.
  let deleted = 0
  const { prototype } = IDBObjectStore
  const put = Reflect.get(prototype, 'put') as IDBObjectStore['put']
  const remove = Reflect.get(prototype, 'delete') as IDBObjectStore['delete']
  vi.spyOn(prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...parameters) {
    if (this.name === 'chunks' && deleted < 2) throw new DOMException('no space', 'QuotaExceededError')
    return put.apply(this, parameters)
  })
  vi.spyOn(prototype, 'delete').mockImplementation(function (this: IDBObjectStore, ...parameters) {
    if (this.name === 'chunks') deleted++
    return remove.apply(this, parameters)
  })
  expect(await store.put(chunk(3).hash, chunk(3).bytes, version(3))).toBe('stored')
  vi.restoreAllMocks()
  expect(await Promise.all([0, 1, 2, 3].map(async label => (await store.get(chunk(label).hash)) !== undefined))).toEqual([true, false, false, true])
})

test('a bug in a store is not taken for a full disk', async () => {
  class Broken extends MemoryChunkStore {
    override put(): Promise<never> {
      return Promise.reject(new TypeError('bug'))
    }
  }
  const store = new SpillingChunkStore(new Broken(KIB), new MemoryChunkStore(KIB), () => {})
  await expect(store.put(chunk(1).hash, chunk(1).bytes, version(1))).rejects.toThrow('bug')
})

test('the least recently used goes first, base models last, and what is to stay never', () => {
  const owners = [3, 1, 2].map(key => ({ key: String(key), bytes: 10, lastUsed: key, base: key === 1 }))
  expect(nextToForget(owners, new Set())?.key).toBe('2')
  expect(nextToForget(owners, new Set(['2', '3']))?.key).toBe('1')
  expect(nextToForget(owners, new Set(['1', '2', '3']))).toBeUndefined()
})
