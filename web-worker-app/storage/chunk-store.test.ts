import { IDBFactory } from 'fake-indexeddb'
import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, test } from 'vitest'
import { sha256Hex } from '#shared/crypto/sha256.ts'
import { ownersToForget, type ChunkOwner, type ChunkStore } from './chunk-store.ts'
import { IdbChunkStore } from './idb-chunk-store.ts'
import { MemoryChunkStore } from './memory-chunk-store.ts'
import { openChunkStore, SpillingChunkStore } from './open-chunk-store.ts'

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
  override put(): Promise<void> {
    return Promise.reject(new DOMException('no space', 'QuotaExceededError'))
  }
}

const stores: Record<string, (budget: number) => Promise<ChunkStore>> = {
  memory: budget => Promise.resolve(new MemoryChunkStore(budget)),
  IndexedDB: budget => IdbChunkStore.open('chunks', budget, now),
  'IndexedDB with memory beside it': budget => openChunkStore(now, 'chunks', budget),
  'memory beside a full store': budget => Promise.resolve(new SpillingChunkStore(new FullStore(budget), new MemoryChunkStore(budget)))
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
  const second = await openChunkStore(now, 'chunks', 10 * KIB)
  expect(await second.get(chunk(1).hash)).toEqual(chunk(1).bytes)
})

test('a browser that refuses its database leaves memory', async () => {
  globalThis.indexedDB.open = () => {
    throw new DOMException('denied', 'SecurityError')
  }
  const store = await openChunkStore(now, 'chunks', 10 * KIB)
  await store.put(chunk(1).hash, chunk(1).bytes, version(1))
  expect(await store.get(chunk(1).hash)).toEqual(chunk(1).bytes)
})

test('a bug in a store is not taken for a full disk', async () => {
  class Broken extends MemoryChunkStore {
    override put(): Promise<void> {
      return Promise.reject(new TypeError('bug'))
    }
  }
  const store = new SpillingChunkStore(new Broken(KIB), new MemoryChunkStore(KIB))
  await expect(store.put(chunk(1).hash, chunk(1).bytes, version(1))).rejects.toThrow('bug')
})

test('only as many versions are forgotten as the budget asks for', () => {
  const owners = [3, 1, 2].map(key => ({ key: String(key), bytes: 10, lastUsed: key }))
  expect(ownersToForget(owners, 30, new Set(), '3')).toEqual([])
  expect(ownersToForget(owners, 20, new Set(), '3')).toEqual(['1'])
  expect(ownersToForget(owners, 0, new Set(['2']), '3')).toEqual(['1'])
})
