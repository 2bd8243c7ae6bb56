import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../protocol/limits.ts'
import { chunkOf, createFetcherTestbed, type Granting, type SupplierBehaviour } from '../testing/fetcher-testbed.ts'
import { runs } from '../testing/property-runs.ts'
import { createRng } from '../random/rng.ts'
import { stepChunkFetcher, type FetchEffect, type FetchInput } from './chunk-fetcher.ts'
import { createChunkFetcher, FETCHER_DEFAULTS, type ChunkFetcher } from './fetcher-state.ts'
import { WINDOW_PIECES } from './request-window.ts'

const A = 'a'.repeat(32)
const B = 'b'.repeat(32)
const PIECE = LIMITS.pieceBytes

const behaviour: fc.Arbitrary<SupplierBehaviour> = fc.oneof(
  fc.constantFrom<SupplierBehaviour>({ does: 'deliver' }, { does: 'corrupt' }, { does: 'cut_short' }, { does: 'lack' }),
  fc.record({ does: fc.constant('fall_silent' as const), afterPieces: fc.nat(40) }),
  fc.record({ does: fc.constant('leave' as const), afterPieces: fc.nat(40) }),
  fc.record({ does: fc.constant('lose' as const), everyNth: fc.integer({ min: 2, max: 20 }) })
)

test('whatever suppliers, server and origin do, every chunk completes, correct and once, and no window is exceeded', () => {
  const sizes = fc.array(fc.constantFrom(1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7, LIMITS.adapterChunkBytes), { minLength: 1, maxLength: 6 })
  const latencies = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(sizes, fc.array(behaviour, { maxLength: 4 }), fc.nat(5), latencies, fc.constantFrom<Granting>('share', 'need', 'unanswered'), (sizes, behaviours, originFailures, latencies, granting) => {
      const chunks = sizes.map((size, index) => chunkOf(size, index))
      const suppliers = new Map(behaviours.map((does, index) => [String(index).repeat(32), does]))
      const testbed = createFetcherTestbed(chunks, suppliers, originFailures, latencies, granting)
      for (const peer of suppliers.keys()) testbed.link(peer)
      testbed.want()
      testbed.untilComplete(240_000)
      expect(new Set(testbed.completed.keys())).toEqual(new Set(chunks.map(chunk => chunk.reference.hash)))
      expect(testbed.completions()).toBe(chunks.length)
      for (const { reference, bytes } of chunks) expect(Buffer.compare(testbed.completed.get(reference.hash)!, bytes)).toBe(0)
      expect(testbed.maxOutstanding()).toBeLessThanOrEqual(WINDOW_PIECES.most)
      expect(testbed.askedTwice()).toBe(0)
      const honest = [...suppliers].filter(([, { does }]) => does !== 'corrupt' && does !== 'cut_short').map(([peer]) => peer)
      for (const peer of honest) expect(testbed.refused).not.toContain(peer)
    }),
    { ...runs(150), endOnFailure: true }
  )
})

describe('with honest suppliers', () => {
  test('the origin is asked for nothing and nothing is fetched twice', () => {
    const chunks = Array.from({ length: 8 }, (_, index) => chunkOf(LIMITS.adapterChunkBytes, index))
    const testbed = createFetcherTestbed(chunks, new Map([[A, { does: 'deliver' }], [B, { does: 'deliver' }]]), 0, [20])
    for (const peer of [A, B]) testbed.link(peer)
    testbed.want()
    testbed.untilComplete(10_000)
    expect(testbed.completed.size).toBe(8)
    expect(testbed.fetcher.received).toEqual({ fromOrigin: 0, fromPeers: 8 * LIMITS.adapterChunkBytes, discarded: 0 })
    // Two suppliers in parallel, whose windows grow from 4 pieces to 68: 136 pieces in five round trips, not in 17.
    expect(testbed.now()).toBeLessThanOrEqual(120)
  })

  test('what is granted comes from the origin, the rest from others', () => {
    const [mine, theirs] = [chunkOf(LIMITS.adapterChunkBytes, 1), chunkOf(LIMITS.adapterChunkBytes, 2)]
    const fetcher = createChunkFetcher()
    const play = (input: FetchInput): FetchEffect[] => stepChunkFetcher(fetcher, input, { now: 0, rng: createRng(1) })
    play({ kind: 'link_up', peer: A })
    expect(play({ kind: 'chunks_wanted', version: 3, chunks: [mine.reference, theirs.reference] })).toContainEqual({ kind: 'ask_grant', version: 3, need: 'share' })
    expect(play({ kind: 'origin_granted', version: 3, hashes: [mine.reference.hash] })).toEqual([{ kind: 'ask_origin', hash: mine.reference.hash, offset: 0 }])
    const asked = play({ kind: 'chunks_held', peer: A, hashes: [mine.reference.hash, theirs.reference.hash] })
    expect(asked.length).toBe(WINDOW_PIECES.first)
    expect(asked.every(effect => effect.kind === 'ask_piece' && effect.hash === theirs.reference.hash)).toBe(true)
    // Done with its share, it asks for more; of what nobody has yet.
    expect(play({ kind: 'origin_answered', hash: mine.reference.hash, bytes: mine.bytes })).toContainEqual({ kind: 'ask_grant', version: 3, need: 'share' })
    expect(play({ kind: 'origin_granted', version: 3, hashes: [] })).toEqual([])
  })

  test('what few have is fetched first', () => {
    const chunks = Array.from({ length: 6 }, (_, index) => chunkOf(PIECE, index))
    const hashes = chunks.map(({ reference }) => reference.hash)
    const fetcher = createChunkFetcher()
    const play = (input: FetchInput): FetchEffect[] => stepChunkFetcher(fetcher, input, { now: 0, rng: createRng(1) })
    for (const peer of [A, B]) play({ kind: 'link_up', peer })
    play({ kind: 'chunks_held', peer: B, hashes: hashes.slice(0, 5) })
    play({ kind: 'chunks_held', peer: A, hashes })
    play({ kind: 'link_down', peer: B })
    play({ kind: 'link_up', peer: B })
    play({ kind: 'chunks_held', peer: B, hashes: hashes.slice(0, 5) })
    const asked = play({ kind: 'chunks_wanted', version: 1, chunks: chunks.map(({ reference }) => reference) }).filter(effect => effect.kind === 'ask_piece')
    expect(asked[0]).toMatchObject({ peer: A, hash: hashes[5] })
  })
})

/** One supplier and an origin, of whole weights or not, in milliseconds for a chunk. @returns what was asked of the server, and the bytes of each source */
function fetchWhole(whole: boolean, supplierMs: number, originMs: number) {
  const chunks = Array.from({ length: 30 }, (_, index) => chunkOf(LIMITS.adapterChunkBytes, index))
  const byHash = new Map(chunks.map(chunk => [chunk.reference.hash, chunk]))
  const fetcher = createChunkFetcher()
  const rng = createRng(1)
  const due: { readonly at: number; readonly input: FetchInput }[] = []
  const needs: { readonly need: string; readonly chunks: number | undefined }[] = []
  let [now, supplierFreeAt] = [0, 0]
  const play = (input: FetchInput): void => {
    for (const effect of stepChunkFetcher(fetcher, input, { now, rng })) {
      if (effect.kind === 'wake_at') due.push({ at: effect.at, input: { kind: 'time_passed' } })
      if (effect.kind === 'ask_piece') {
        const { peer, hash, offset, length } = effect
        supplierFreeAt = Math.max(now, supplierFreeAt) + (supplierMs * length) / LIMITS.adapterChunkBytes
        due.push({ at: supplierFreeAt, input: { kind: 'piece_arrived', peer, piece: { hash, offset, sentAt: now, payload: byHash.get(hash)!.bytes.slice(offset, offset + length) } } })
      }
      if (effect.kind === 'ask_origin') due.push({ at: now + originMs, input: { kind: 'origin_answered', hash: effect.hash, bytes: byHash.get(effect.hash)!.bytes.slice(effect.offset) } })
      if (effect.kind !== 'ask_grant') continue
      needs.push({ need: effect.need, chunks: effect.chunks?.length })
      due.push({ at: now + 20, input: { kind: 'origin_granted', version: 0, hashes: effect.chunks ?? [] } })
    }
  }
  play({ kind: 'link_up', peer: A })
  play({ kind: 'chunks_held', peer: A, hashes: [...byHash.keys()] })
  play({ kind: 'chunks_wanted', version: 0, chunks: chunks.map(({ reference }) => reference), whole })
  while (fetcher.wanted.size > 0) {
    due.sort((left, right) => left.at - right.at)
    const event = due.shift()!
    now = Math.max(now, event.at)
    play(event.input)
  }
  return { needs, received: fetcher.received }
}

describe('whole weights, which a linked tab has', () => {
  test('come from the origin for the most part when that is measured to be much faster', () => {
    const { needs, received } = fetchWhole(true, 500, 50)
    expect(needs.slice(0, 2)).toEqual([{ need: 'share', chunks: undefined }, { need: 'faster', chunks: 2 }])
    expect(needs[2]).toEqual({ need: 'faster', chunks: expect.any(Number) })
    expect(received.fromOrigin).toBeGreaterThan(3 * received.fromPeers)
  })

  test('come from the tab, but for what it took to measure the origin, when that is no faster', () => {
    const { needs, received } = fetchWhole(true, 500, 450)
    expect(received.fromPeers).toBeGreaterThan(3 * received.fromOrigin)
    expect(needs.slice(1).every(({ need, chunks }) => need === 'faster' && chunks === 2)).toBe(true)
  })

  test('come from the tab when it has sent them soon, and so does what a step has changed, however slow it is', () => {
    for (const [whole, supplierMs] of [[true, 50], [false, 500]] as const) {
      const { needs, received } = fetchWhole(whole, supplierMs, 5)
      expect(needs).toEqual([{ need: 'share', chunks: undefined }])
      expect(received.fromOrigin).toBe(0)
    }
  })
})

test('a supplier that falls silent costs one stall; the origin sends only what is missing', () => {
  const chunk = chunkOf(LIMITS.adapterChunkBytes)
  const testbed = createFetcherTestbed([chunk], new Map([[A, { does: 'fall_silent', afterPieces: 10 }]]), 0, [20])
  testbed.link(A)
  testbed.want()
  testbed.untilComplete(60_000)
  expect(testbed.completed.size).toBe(1)
  // Another source within a second.
  expect(FETCHER_DEFAULTS.stallMs + FETCHER_DEFAULTS.tickMs).toBeLessThanOrEqual(1000)
  expect(testbed.now()).toBeLessThanOrEqual(FETCHER_DEFAULTS.stallMs + FETCHER_DEFAULTS.tickMs + 100)
  expect(testbed.originBytes()).toBe(LIMITS.adapterChunkBytes - 10 * PIECE)
  expect(testbed.stalled).toEqual([A])
})

test('whoever stood still itself blames nobody for what it could not hear meanwhile, and soon does again', () => {
  const fetcher = createChunkFetcher()
  const chunk = chunkOf(12 * PIECE)
  const play = (input: FetchInput, now: number): FetchEffect['kind'][] => stepChunkFetcher(fetcher, input, { now, rng: createRng(1) }).map(({ kind }) => kind)
  play({ kind: 'link_up', peer: A }, 0)
  play({ kind: 'chunks_held', peer: A, hashes: [chunk.reference.hash] }, 0)
  play({ kind: 'chunks_wanted', version: 1, chunks: [chunk.reference] }, 0)
  play({ kind: 'origin_granted', version: 1, hashes: [] }, 0)
  const { tickMs, stallMs } = FETCHER_DEFAULTS
  let now = 0
  while (now + 2 * tickMs < stallMs) expect(play({ kind: 'time_passed' }, (now += tickMs))).toEqual(['wake_at'])
  expect(play({ kind: 'time_passed' }, (now += 5000))).toEqual(['wake_at'])
  const told: string[] = []
  const stoodStill = now
  while (!told.includes('supplier_stalled')) told.push(...play({ kind: 'time_passed' }, (now += tickMs)))
  expect(now - stoodStill).toBeLessThanOrEqual(stallMs)
})

test('when a supplier leaves in the middle, another one that has the chunk sends only what is missing', () => {
  const chunk = chunkOf(LIMITS.adapterChunkBytes)
  const testbed = createFetcherTestbed([chunk], new Map<string, SupplierBehaviour>([[A, { does: 'leave', afterPieces: 10 }], [B, { does: 'deliver' }]]), 0, [20])
  testbed.link(A)
  testbed.want()
  testbed.link(B)
  testbed.untilComplete(1000)
  expect(testbed.completed.size).toBe(1)
  expect(testbed.fetcher.received).toMatchObject({ fromOrigin: 0, discarded: 0 })
})

test.each<[Granting, number]>([['need', FETCHER_DEFAULTS.starvingMs + FETCHER_DEFAULTS.tickMs], ['unanswered', 2 * FETCHER_DEFAULTS.starvingMs]])('nobody is linked and leave is %s: the origin', (granting, withinMs) => {
  const chunks = [1, 2, 3].map(seed => chunkOf(PIECE, seed))
  const testbed = createFetcherTestbed(chunks, new Map(), 0, [20], granting)
  testbed.want()
  testbed.untilComplete(60_000)
  expect(testbed.completed.size).toBe(3)
  expect(testbed.now()).toBeLessThanOrEqual(withinMs + 100)
})

test('when nobody who is linked has any of it any more, the server is asked at once instead of after a while, once', () => {
  const chunks = [chunkOf(12 * PIECE, 1), chunkOf(12 * PIECE, 2)]
  const hashes = chunks.map(({ reference }) => reference.hash)
  const fetcher = createChunkFetcher()
  const asks = (input: FetchInput, now: number): string[] => stepChunkFetcher(fetcher, input, { now, rng: createRng(1) }).flatMap(effect => (effect.kind === 'ask_grant' ? [effect.need] : []))
  const { forsakenMs, starvingMs } = FETCHER_DEFAULTS
  asks({ kind: 'link_up', peer: A }, 0)
  asks({ kind: 'link_up', peer: B }, 0)
  asks({ kind: 'chunks_held', peer: A, hashes }, 0)
  expect(asks({ kind: 'chunks_wanted', version: 1, chunks: chunks.map(({ reference }) => reference) }, 0)).toEqual(['share'])
  asks({ kind: 'origin_granted', version: 1, hashes: [] }, 0)
  for (let now = 100; now <= forsakenMs; now += 100) expect(asks({ kind: 'time_passed' }, now)).toEqual([])
  expect(asks({ kind: 'link_down', peer: A }, forsakenMs + 1)).toEqual(['starving'])
  asks({ kind: 'origin_granted', version: 1, hashes: [] }, forsakenMs + 2)
  const asked: number[] = []
  for (let now = forsakenMs + 100; now <= 2 * starvingMs; now += 100) if (asks({ kind: 'time_passed' }, now).length > 0) asked.push(now)
  expect(asked).toEqual([forsakenMs + starvingMs + 100])
})

test('what the origin lacks is missing unless a supplier has it, and is asked for again', () => {
  const chunk = chunkOf(12 * PIECE)
  const { hash } = chunk.reference
  const fetcher = createChunkFetcher()
  const play = (input: FetchInput, now: number): FetchEffect[] => stepChunkFetcher(fetcher, input, { now, rng: createRng(1) }).filter(({ kind }) => kind === 'ask_origin' || kind === 'chunk_missing')
  play({ kind: 'chunks_wanted', version: 1, chunks: [chunk.reference] }, 0)
  expect(play({ kind: 'origin_granted', version: 1, hashes: [hash] }, 0)).toMatchObject([{ kind: 'ask_origin' }])
  expect(play({ kind: 'origin_failed', hash }, 0)).toEqual([])
  expect(play({ kind: 'time_passed' }, 10_000)).toMatchObject([{ kind: 'ask_origin' }])
  expect(play({ kind: 'origin_lacks', hash }, 10_000)).toEqual([{ kind: 'chunk_missing', hash }])
  expect(play({ kind: 'time_passed' }, 30_000)).toMatchObject([{ kind: 'ask_origin' }])
  // Somebody who has it has come meanwhile, and is asked as soon as the origin has answered.
  play({ kind: 'link_up', peer: A }, 30_000)
  play({ kind: 'chunks_held', peer: A, hashes: [hash] }, 30_000)
  expect(play({ kind: 'origin_lacks', hash }, 30_000)).toEqual([])
  expect(fetcher.wanted.get(hash)!.source).toBe(A)
  // It falls silent: then nobody has it.
  const ticks = Array.from({ length: 10 }, (_, tick) => 30_000 + (tick + 1) * FETCHER_DEFAULTS.tickMs)
  expect(ticks.flatMap(now => play({ kind: 'time_passed' }, now))).toMatchObject([{ kind: 'ask_origin' }])
  expect(play({ kind: 'origin_lacks', hash }, ticks.at(-1)!)).toEqual([{ kind: 'chunk_missing', hash }])
})

test('three corrupted chunks ban a peer, and its next link is closed at once', () => {
  const chunks = [1, 2, 3, 4].map(seed => chunkOf(PIECE, seed))
  const testbed = createFetcherTestbed(chunks, new Map([[A, { does: 'corrupt' }]]), 0, [20])
  testbed.link(A)
  testbed.want()
  testbed.untilComplete(60_000)
  expect(testbed.completed.size).toBe(4)
  expect(testbed.refused).toEqual([A, A, A])
  expect(stepChunkFetcher(testbed.fetcher, { kind: 'link_up', peer: A }, { now: 0, rng: createRng(1) })).toEqual([{ kind: 'ban_peer', peer: A }])
})

test('a liar whose bytes were mixed with others’ is found out when it sends a chunk alone', () => {
  const chunk = chunkOf(LIMITS.adapterChunkBytes)
  const testbed = createFetcherTestbed([chunk], new Map<string, SupplierBehaviour>([[A, { does: 'leave', afterPieces: 3 }], [B, { does: 'corrupt' }]]), 0, [20])
  testbed.link(A)
  testbed.want()
  testbed.link(B)
  testbed.untilComplete(60_000)
  expect(testbed.completed.size).toBe(1)
  expect(testbed.suspected).toEqual([[A, B]])
  expect(testbed.refused).toEqual([B])
})

test('who claims to have more than anybody can have is refused', () => {
  const fetcher = createChunkFetcher()
  const play = (input: FetchInput): FetchEffect[] => stepChunkFetcher(fetcher, input, { now: 0, rng: createRng(1) })
  play({ kind: 'link_up', peer: A })
  const hashes = Array.from({ length: LIMITS.chunksHeldByPeer }, (_, index) => index.toString(16).padStart(64, '0'))
  expect(play({ kind: 'chunks_held', peer: A, hashes })).toEqual([])
  expect(play({ kind: 'chunks_held', peer: A, hashes: ['f'.repeat(64)] })).toEqual([{ kind: 'refuse_chunk', peer: A, hash: 'f'.repeat(64), code: 'too_large' }])
})

test('pieces that were not asked for are refused and never become a chunk', () => {
  const chunk = chunkOf(PIECE)
  const fetcher = createChunkFetcher()
  const play = (input: FetchInput): FetchEffect[] => stepChunkFetcher(fetcher, input, { now: 0, rng: createRng(1) })
  for (const peer of [A, B]) play({ kind: 'link_up', peer })
  play({ kind: 'chunks_held', peer: A, hashes: [chunk.reference.hash] })
  play({ kind: 'chunks_wanted', version: 1, chunks: [chunk.reference] })
  const piece = { hash: chunk.reference.hash, offset: 0, sentAt: 0, payload: chunk.bytes }
  expect(play({ kind: 'piece_arrived', peer: B, piece })).toContainEqual({ kind: 'refuse_chunk', peer: B, hash: piece.hash, code: 'malformed' })
  expect(play({ kind: 'piece_arrived', peer: A, piece: { ...piece, hash: 'f'.repeat(64) } })).toContainEqual({ kind: 'refuse_chunk', peer: A, hash: 'f'.repeat(64), code: 'malformed' })
  expect(play({ kind: 'piece_arrived', peer: A, piece })).toEqual([{ kind: 'chunk_complete', hash: piece.hash, bytes: chunk.bytes }])
})

test('what is no longer wanted is not asked for again, and late pieces of it are nobody’s fault', () => {
  const chunk = chunkOf(12 * PIECE)
  const fetcher: ChunkFetcher = createChunkFetcher()
  const play = (input: FetchInput): FetchEffect[] => stepChunkFetcher(fetcher, input, { now: 0, rng: createRng(1) }).filter(({ kind }) => kind === 'ask_piece' || kind === 'refuse_chunk')
  const piece = (index: number) => ({ hash: chunk.reference.hash, offset: index * PIECE, sentAt: 0, payload: chunk.bytes.slice(index * PIECE, (index + 1) * PIECE) })
  play({ kind: 'link_up', peer: A })
  play({ kind: 'chunks_held', peer: A, hashes: [chunk.reference.hash] })
  expect(play({ kind: 'chunks_wanted', version: 1, chunks: [chunk.reference] })).toHaveLength(WINDOW_PIECES.first)
  play({ kind: 'chunks_unwanted', hashes: [chunk.reference.hash] })
  expect(play({ kind: 'piece_arrived', peer: A, piece: piece(0) })).toEqual([])
  // Wanted again while three pieces are still on their way: only the others are asked for.
  const asked = play({ kind: 'chunks_wanted', version: 1, chunks: [chunk.reference] })
  expect(asked).toMatchObject([{ offset: 0 }, { offset: 4 * PIECE }])
  expect(play({ kind: 'piece_arrived', peer: A, piece: piece(1) })).toMatchObject([{ offset: 5 * PIECE }, { offset: 6 * PIECE }])
})
