import { expect, test } from 'vitest'
import { createOriginGrants, GRANT_AGAIN_MS, grantOrigin, returnGrants } from './origin-grants.ts'

const CHUNKS = [0, 1, 2, 3, 4, 5, 6]

test('every chunk goes out once, in equal shares, the last ones to whoever asks again', () => {
  const grants = createOriginGrants(CHUNKS.length)
  const ask = (peer: string): readonly number[] => grantOrigin(grants, { peer, chunks: CHUNKS, sharers: 3, need: 'share' }, 0)
  expect([ask('a'), ask('b'), ask('c'), ask('a')]).toEqual([[0, 1, 2], [3, 4, 5], [6], []])
})

test('who holds some layers is granted chunks of these', () => {
  const grants = createOriginGrants(CHUNKS.length)
  expect(grantOrigin(grants, { peer: 'a', chunks: [4, 5], sharers: 2, need: 'share' }, 0)).toEqual([4])
  expect(grantOrigin(grants, { peer: 'b', chunks: CHUNKS, sharers: 1, need: 'share' }, 0)).toEqual([0, 1, 2, 3, 5, 6])
})

test('what was granted to somebody who left is granted anew, unless it had the whole version', () => {
  for (const held of [false, true]) {
    const grants = createOriginGrants(CHUNKS.length)
    grantOrigin(grants, { peer: 'a', chunks: CHUNKS, sharers: 2, need: 'share' }, 0)
    returnGrants(grants, 'a', held)
    expect(grantOrigin(grants, { peer: 'b', chunks: CHUNKS, sharers: 1, need: 'share' }, 0)).toEqual(held ? [4, 5, 6] : CHUNKS)
  }
})

test('who starves is given what nobody passed on for a while, the oldest first; who is alone, everything at once', () => {
  const grants = createOriginGrants(CHUNKS.length)
  for (const chunk of CHUNKS) grantOrigin(grants, { peer: 'a', chunks: [chunk], sharers: 1, need: 'share' }, 100 * (CHUNKS.length - chunk))
  const starve = (now: number): readonly number[] => grantOrigin(grants, { peer: 'b', chunks: CHUNKS, sharers: 1, need: 'starving' }, now)
  expect(starve(GRANT_AGAIN_MS)).toEqual([])
  expect(starve(GRANT_AGAIN_MS + 300)).toEqual([6, 5, 4])
  expect(starve(GRANT_AGAIN_MS + 700)).toEqual([3, 2, 1, 0])
  expect(grantOrigin(grants, { peer: 'c', chunks: CHUNKS, sharers: 1, need: 'alone' }, 0)).toEqual(CHUNKS)
})
