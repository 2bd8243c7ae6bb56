import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { sha256Hex } from '#shared/crypto/sha256.ts'
import type { ChunkOwner } from './chunk-store.ts'
import { MemoryChunkStore } from './memory-chunk-store.ts'
import { WriteBehindChunkStore } from './write-behind-chunk-store.ts'

const MIB = 2 ** 20
const owner = (version: number): ChunkOwner => ({ run: 'run', version })

function chunk(label: number, size = 1024): [hash: string, bytes: Uint8Array<ArrayBuffer>] {
  const bytes = new Uint8Array(size).fill(label)
  return [sha256Hex(bytes), bytes]
}

let stored: MemoryChunkStore
let store: WriteBehindChunkStore
beforeEach(() => {
  vi.useFakeTimers()
  stored = new MemoryChunkStore(1000 * MIB)
  store = new WriteBehindChunkStore(stored)
})
afterEach(() => vi.useRealTimers())

test('what was fetched is written at once, what was rebuilt once its version has lived for a while', async () => {
  const [[fetched, a], [rebuilt, b]] = [chunk(1), chunk(2)]
  await store.put(fetched, a, owner(1))
  await store.put(rebuilt, b, owner(2), true)
  expect([await stored.get(fetched), await stored.get(rebuilt)]).toEqual([a, undefined])
  expect(await store.get(rebuilt)).toEqual(b)
  await vi.advanceTimersByTimeAsync(9_000)
  expect(await stored.get(rebuilt)).toBeUndefined()
  await vi.advanceTimersByTimeAsync(2_000)
  expect([await stored.get(rebuilt), await store.get(rebuilt)]).toEqual([b, b])
})

test('what is forgotten before is never written', async () => {
  const [hash, bytes] = chunk(1)
  await store.put(hash, bytes, owner(1), true)
  await store.forget(owner(1))
  expect(await store.get(hash)).toBeUndefined()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(await stored.get(hash)).toBeUndefined()
})

test('nothing stays of a version that is forgotten while it is written', async () => {
  const [[first, a], [second, b]] = [chunk(1), chunk(2)]
  await store.put(first, a, owner(1), true)
  await store.put(second, b, owner(1), true)
  let forgotten: Promise<void> | undefined
  const put = stored.put.bind(stored)
  stored.put = async (hash, bytes, of) => {
    const outcome = await put(hash, bytes, of)
    forgotten ??= store.forget(owner(1))
    return outcome
  }
  await vi.advanceTimersByTimeAsync(11_000)
  await forgotten
  for (const hash of [first, second]) expect([await store.get(hash), await stored.get(hash)]).toEqual([undefined, undefined])
})

test('a chunk of two versions stays with the other one', async () => {
  const [hash, bytes] = chunk(1)
  await store.put(hash, bytes, owner(1), true)
  expect(await store.get(hash, owner(2))).toEqual(bytes)
  await store.forget(owner(1))
  await vi.advanceTimersByTimeAsync(11_000)
  expect(await stored.get(hash)).toEqual(bytes)
  await store.forget(owner(2))
  expect(await store.get(hash)).toBeUndefined()
})

test('of more than waits in memory the oldest version is written at once', async () => {
  const chunks = [1, 2, 3].map(label => chunk(label, 30 * MIB))
  for (const [index, [hash, bytes]] of chunks.entries()) await store.put(hash, bytes, owner(index), true)
  expect(await Promise.all(chunks.map(async ([hash]) => (await stored.get(hash)) !== undefined))).toEqual([true, false, false])
  for (const [hash, bytes] of chunks) expect((await store.get(hash))?.byteLength).toBe(bytes.byteLength)
})

test('what was given out or taken can be given away', async () => {
  const [hash, bytes] = chunk(1)
  await store.put(hash, bytes, owner(1), true)
  structuredClone(bytes, { transfer: [bytes.buffer] })
  const given = await store.get(hash)
  structuredClone(given, { transfer: [given!.buffer] })
  expect(await store.get(hash)).toEqual(chunk(1)[1])
})
