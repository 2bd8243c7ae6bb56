import { expect, test } from 'vitest'
import { createOriginGrants, FASTER_AGAIN_MS, GRANT_AGAIN_MS, grantOrigin, keepGrants, returnGrants, settleGrants } from './origin-grants.ts'

const CHUNKS = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

const equal = (sharers: number) => ({ uplink: undefined, uplinks: Array.from({ length: sharers }, () => undefined) })

test('every chunk goes out once, in equal shares, the last ones to whoever asks again', () => {
  const grants = createOriginGrants()
  const ask = (peer: string): readonly string[] => grantOrigin(grants, { peer, chunks: CHUNKS, ...equal(3), need: 'share' }, 0)
  expect([ask('1'), ask('2'), ask('3'), ask('1')]).toEqual([['a', 'b', 'c'], ['d', 'e', 'f'], ['g'], []])
})

test('who hands on faster gets more of what goes out first', () => {
  const grants = createOriginGrants()
  const uplinks = [4e6, 1e6, undefined, 1e6]
  const ask = (peer: string, uplink: number | undefined): readonly string[] => grantOrigin(grants, { peer, chunks: CHUNKS, uplink, uplinks, need: 'share' }, 0)
  expect([ask('1', 4e6), ask('2', 1e6), ask('3', undefined), ask('4', 1e6)]).toEqual([['a', 'b', 'c', 'd'], ['e'], ['f'], ['g']])
})

test('who needs some chunks is granted of these, for whatever version they are', () => {
  const grants = createOriginGrants()
  expect(grantOrigin(grants, { peer: '1', chunks: ['e', 'f'], ...equal(2), need: 'share' }, 0)).toEqual(['e'])
  expect(grantOrigin(grants, { peer: '2', chunks: CHUNKS, ...equal(1), need: 'share' }, 0)).toEqual(['a', 'b', 'c', 'd', 'f', 'g'])
})

test('what was granted to somebody who left is granted anew, unless it had the whole version', () => {
  for (const held of [false, true]) {
    const grants = createOriginGrants()
    grantOrigin(grants, { peer: '1', chunks: CHUNKS, ...equal(2), need: 'share' }, 0)
    if (held) settleGrants(grants, '1', CHUNKS)
    returnGrants(grants, '1')
    expect(grantOrigin(grants, { peer: '2', chunks: CHUNKS, ...equal(1), need: 'share' }, 0)).toEqual(held ? ['e', 'f', 'g'] : CHUNKS)
  }
})

test('who starves is given what nobody passed on for a while, the oldest first; who is alone, everything at once', () => {
  const grants = createOriginGrants()
  for (const [index, chunk] of CHUNKS.entries()) grantOrigin(grants, { peer: '1', chunks: [chunk], ...equal(1), need: 'share' }, 100 * (CHUNKS.length - index))
  const starve = (now: number): readonly string[] => grantOrigin(grants, { peer: '2', chunks: CHUNKS, ...equal(1), need: 'starving' }, now)
  expect(starve(GRANT_AGAIN_MS)).toEqual([])
  expect(starve(GRANT_AGAIN_MS + 300)).toEqual(['g', 'f', 'e'])
  expect(starve(GRANT_AGAIN_MS + 700)).toEqual(['d', 'c', 'b', 'a'])
  expect(grantOrigin(grants, { peer: '3', chunks: CHUNKS, ...equal(1), need: 'alone' }, 0)).toEqual(CHUNKS)
})

test('to whom the origin is faster it gives what was named, however many ask no chunk more often than once in a while', () => {
  const grants = createOriginGrants()
  const ask = (peer: string, only: readonly string[], now: number): readonly string[] => grantOrigin(grants, { peer, chunks: CHUNKS, only: new Set(only), ...equal(2), need: 'faster' }, now)
  grantOrigin(grants, { peer: '1', chunks: CHUNKS, ...equal(1), need: 'share' }, 0)
  expect(ask('2', CHUNKS, FASTER_AGAIN_MS - 1)).toEqual([])
  expect(ask('2', ['c', 'e', 'elsewhere'], FASTER_AGAIN_MS)).toEqual(['c', 'e'])
  expect(ask('3', ['c', 'd', 'e'], FASTER_AGAIN_MS)).toEqual(['d'])
  expect(ask('3', ['c', 'd', 'e'], 2 * FASTER_AGAIN_MS)).toEqual(['c', 'd', 'e'])
})

test('what the origin no longer has is forgotten', () => {
  const grants = createOriginGrants()
  grantOrigin(grants, { peer: '1', chunks: CHUNKS, ...equal(1), need: 'alone' }, 0)
  keepGrants(grants, new Set(['b']))
  expect([...grants.grantedAt.keys()]).toEqual(['b'])
  expect([...grants.byPeer.get('1')!]).toEqual(['b'])
})
