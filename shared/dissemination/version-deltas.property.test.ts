import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { sha256Hex } from '../crypto/sha256.ts'
import type { ManifestGroup } from '../protocol/manifest.ts'
import { deltaLineage } from '../testing/delta-lineage.ts'
import { runs } from '../testing/property-runs.ts'
import { cutDeltas, rebuildGroup, type Digest } from './version-deltas.ts'

const [base, first, second] = deltaLineage(['full', 'delta', 'delta'])
type Bytes = Uint8Array<ArrayBuffer>
const digest: Digest = bytes => Promise.resolve(sha256Hex(bytes))

const weights = ({ manifest, chunks }: typeof base & {}, index = 0): Bytes => chunks.get(manifest.groups[index]!.chunks[0]!.hash)!
const delta = ({ manifest, chunks }: typeof base & {}, index = 0): Bytes => chunks.get(manifest.groups[index]!.delta![0]!.hash)!
const group = ({ manifest }: typeof base & {}, index = 0): ManifestGroup => manifest.groups[index]!

test('the deltas since a version lead to the chunks that the manifest names', async () => {
  for (const index of [0, 1]) {
    expect(await rebuildGroup(group(second!, index), weights(base!, index), [delta(first!, index), delta(second!, index)], digest)).toEqual({
      kind: 'ok',
      chunks: new Map([[group(second!, index).chunks[0]!.hash, weights(second!, index)]])
    })
  }
})

test('from another parent, or with a step left out, they lead elsewhere, which is refused', async () => {
  const other = weights(base!).map((byte, index) => (index === 0 ? byte ^ 1 : byte))
  expect(await rebuildGroup(group(first!), other, [delta(first!)], digest)).toMatchObject({ kind: 'refused', code: 'hash_mismatch' })
  expect(await rebuildGroup(group(second!), weights(base!), [delta(second!)], digest)).toMatchObject({ kind: 'refused' })
  expect(await rebuildGroup(group(first!), weights(base!), [], digest)).toMatchObject({ kind: 'refused', code: 'hash_mismatch' })
})

test('altered, cut off or prolonged, a delta is refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.constantFrom('altered', 'cut off', 'prolonged'), async (at, how) => {
      const bytes = delta(first!)
      const bit = at % (8 * bytes.byteLength)
      const changed = {
        altered: () => bytes.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)),
        'cut off': () => bytes.slice(0, bit >> 3),
        prolonged: () => Uint8Array.of(...bytes, at & 0xff)
      }[how]()
      expect(await rebuildGroup(group(first!), weights(base!), [changed], digest)).toMatchObject({ kind: 'refused' })
    }),
    runs(300)
  )
})

test('versions of different models have no deltas', () => {
  const other = deltaLineage(['full'], () => new Map([['model.embed_tokens.weight', { shape: [8], data: new Float32Array(8) }]]))[0]!
  const cut = ({ manifest, chunks }: typeof other) => ({ body: manifest, chunks })
  expect(() => cutDeltas(cut(base!), cut(other))).toThrow('group embed has no parent in version 0')
})
