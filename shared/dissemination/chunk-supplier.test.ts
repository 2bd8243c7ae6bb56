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
  stepChunkSupplier(supplier, { kind: 'chunk_dropped', hash: HASH })
  expect(stepChunkSupplier(supplier, wantFrom(PEER))).toMatchObject([{ kind: 'send_unavailable' }])
})

test('refuses what reaches beyond the chunk or is larger than a piece, parked or not', () => {
  const supplier = createChunkSupplier()
  stepChunkSupplier(supplier, { kind: 'chunk_expected', hash: HASH })
  expect(stepChunkSupplier(supplier, wantFrom(PEER, 20, 6))).toEqual([])
  expect(stepChunkSupplier(supplier, { kind: 'chunk_held', hash: HASH, size: 25 })).toEqual([{ kind: 'refuse_want', peer: PEER, hash: HASH, code: 'malformed' }])
  expect(stepChunkSupplier(supplier, wantFrom(PEER, 25, 1))).toMatchObject([{ kind: 'refuse_want', code: 'malformed' }])
  stepChunkSupplier(supplier, { kind: 'chunk_held', hash: HASH, size: 10 * LIMITS.pieceBytes })
  expect(stepChunkSupplier(supplier, wantFrom(PEER, 0, LIMITS.pieceBytes + 1))).toMatchObject([{ kind: 'refuse_want', code: 'malformed' }])
})

test('parks wants for a chunk on its way, answers them in order when it is there, and bounds them per peer', () => {
  const supplier = createChunkSupplier()
  stepChunkSupplier(supplier, { kind: 'chunk_expected', hash: HASH })
  for (let piece = 0; piece < 16; piece++) expect(stepChunkSupplier(supplier, wantFrom(PEER, piece))).toEqual([])
  expect(stepChunkSupplier(supplier, wantFrom(PEER, 16))).toEqual([{ kind: 'refuse_want', peer: PEER, hash: HASH, code: 'too_large' }])
  expect(stepChunkSupplier(supplier, wantFrom(OTHER))).toEqual([])
  const sent = stepChunkSupplier(supplier, { kind: 'chunk_held', hash: HASH, size: 100 })
  expect(sent.map(effect => [effect.kind, effect.peer])).toEqual([...Array.from({ length: 16 }, () => ['send_piece', PEER]), ['send_piece', OTHER]])
  expect(sent.slice(0, 3)).toMatchObject([{ offset: 0 }, { offset: 1 }, { offset: 2 }])
  expect(supplier.parkedByPeer.get(PEER)).toBe(0)
})

test('a chunk given up is unavailable to everybody who waited, once each', () => {
  const supplier = createChunkSupplier()
  stepChunkSupplier(supplier, { kind: 'chunk_expected', hash: HASH })
  for (const peer of [PEER, PEER, OTHER]) stepChunkSupplier(supplier, wantFrom(peer))
  expect(stepChunkSupplier(supplier, { kind: 'chunk_dropped', hash: HASH })).toEqual([
    { kind: 'send_unavailable', peer: PEER, hash: HASH },
    { kind: 'send_unavailable', peer: OTHER, hash: HASH }
  ])
})

test('who left is sent nothing', () => {
  const supplier = createChunkSupplier()
  stepChunkSupplier(supplier, { kind: 'chunk_expected', hash: HASH })
  for (const peer of [PEER, OTHER]) stepChunkSupplier(supplier, wantFrom(peer))
  stepChunkSupplier(supplier, { kind: 'link_down', peer: PEER })
  expect(stepChunkSupplier(supplier, { kind: 'chunk_held', hash: HASH, size: 100 })).toMatchObject([{ kind: 'send_piece', peer: OTHER }])
})
