import { expect, test } from 'vitest'
import { LIMITS } from '../protocol/limits.ts'
import { createChunkSupplier, stepChunkSupplier, type SupplyInput } from './chunk-supplier.ts'

const HASH = 'a'.repeat(64)
const PEER = '1'.repeat(32)
const OTHER = '2'.repeat(32)

const wantFrom = (peer: string, offset = 0, length = 10): SupplyInput => ({ kind: 'piece_wanted', peer, hash: HASH, offset, length })

test('answers from what is held, and says what is not', () => {
  const supplier = createChunkSupplier()
  expect(stepChunkSupplier(supplier, wantFrom(PEER))).toEqual([{ kind: 'send_unavailable', peer: PEER, hash: HASH }])
  stepChunkSupplier(supplier, { kind: 'chunk_held', hash: HASH, size: 25 })
  expect(stepChunkSupplier(supplier, wantFrom(PEER, 20, 5))).toEqual([{ kind: 'send_piece', peer: PEER, hash: HASH, offset: 20, length: 5 }])
  stepChunkSupplier(supplier, { kind: 'chunks_dropped', hashes: [HASH] })
  expect(stepChunkSupplier(supplier, wantFrom(PEER))).toMatchObject([{ kind: 'send_unavailable' }])
})

test('refuses what reaches beyond the chunk or is larger than a piece', () => {
  const supplier = createChunkSupplier()
  stepChunkSupplier(supplier, { kind: 'chunk_held', hash: HASH, size: 25 })
  for (const [offset, length] of [[20, 6], [25, 1]] as const) expect(stepChunkSupplier(supplier, wantFrom(PEER, offset, length))).toEqual([{ kind: 'refuse_want', peer: PEER, hash: HASH, code: 'malformed' }])
  const large = createChunkSupplier()
  stepChunkSupplier(large, { kind: 'chunk_held', hash: HASH, size: 10 * LIMITS.pieceBytes })
  expect(stepChunkSupplier(large, wantFrom(PEER, 0, LIMITS.pieceBytes + 1))).toMatchObject([{ kind: 'refuse_want', code: 'malformed' }])
})

test('everybody who is linked hears at once of what is new and of what is gone, and who comes later of everything', () => {
  const supplier = createChunkSupplier()
  stepChunkSupplier(supplier, { kind: 'link_up', peer: PEER })
  expect(stepChunkSupplier(supplier, { kind: 'chunk_held', hash: HASH, size: 25 })).toEqual([{ kind: 'tell_held', peer: PEER, hashes: [HASH] }])
  expect(stepChunkSupplier(supplier, { kind: 'chunk_held', hash: HASH, size: 25 })).toEqual([])
  expect(stepChunkSupplier(supplier, { kind: 'link_up', peer: OTHER })).toEqual([{ kind: 'tell_held', peer: OTHER, hashes: [HASH] }])
  stepChunkSupplier(supplier, { kind: 'link_down', peer: PEER })
  expect(stepChunkSupplier(supplier, { kind: 'chunks_dropped', hashes: [HASH, 'b'.repeat(64)] })).toEqual([{ kind: 'tell_dropped', peer: OTHER, hashes: [HASH] }])
  expect(stepChunkSupplier(supplier, { kind: 'link_up', peer: PEER })).toEqual([])
})

test('a long list is told in several messages, each of which a data channel takes', () => {
  const supplier = createChunkSupplier()
  const hashes = Array.from({ length: 2 * LIMITS.hashesPerMessage + 1 }, (_, index) => index.toString(16).padStart(64, '0'))
  for (const hash of hashes) stepChunkSupplier(supplier, { kind: 'chunk_held', hash, size: 1 })
  const told = stepChunkSupplier(supplier, { kind: 'link_up', peer: PEER })
  expect(told).toHaveLength(3)
  expect(told.flatMap(effect => (effect.kind === 'tell_held' ? effect.hashes : []))).toEqual(hashes)
  for (const effect of told) expect(JSON.stringify(effect).length).toBeLessThan(16 * 1024)
})
