import { expect, test } from 'vitest'
import { chunksOf } from '#shared/dissemination/manifest.ts'
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import { deltaGroups } from '#shared/dissemination/version-route.ts'
import { deltaLineage } from '#shared/testing/delta-lineage.ts'
import { MemoryChunkStore } from '../storage/memory-chunk-store.ts'
import { bringPolicy } from './policy-arrival.ts'
import { assemblePolicy } from '../session/policy-tensors.ts'

const lineage = deltaLineage(['full', 'delta', 'full'])
const manifests = lineage.map(({ manifest }) => manifest)
const published = new Map(lineage.flatMap(({ chunks }) => [...chunks]))

/** A store with version 0, and every chunk that was published, at hand at once. */
async function holdingTheBase() {
  const store = new MemoryChunkStore(2 ** 30)
  for (const { hash } of chunksOf(manifests[0]!)) await store.put(hash, published.get(hash)!, manifests[0]!)
  const asked: string[][] = []
  const fetchVersion = async (part: PartOfManifest): Promise<boolean> => {
    const missing: string[] = []
    for (const { hash } of chunksOf(part)) if ((await store.get(hash)) === undefined) missing.push(hash)
    asked.push(missing)
    for (const hash of missing) await store.put(hash, published.get(hash)!, part)
    return true
  }
  return { store, asked, exchange: { fetchVersion } }
}

const hashesOfDeltas = (version: number): string[] => chunksOf({ groups: deltaGroups(manifests[version]!) }).map(({ hash }) => hash)

test('what deltas lead to is assembled as if it had come whole', async () => {
  const { store, asked, exchange } = await holdingTheBase()
  expect(await bringPolicy(manifests.slice(0, 2), { exchange, store, isWanted: () => true })).toBe('here')
  expect(asked).toEqual([hashesOfDeltas(1)])
  const whole = new MemoryChunkStore(2 ** 30)
  for (const { hash } of chunksOf(manifests[1]!)) await whole.put(hash, published.get(hash)!, manifests[1]!)
  expect(await assemblePolicy(manifests[1]!, store)).toEqual(await assemblePolicy(manifests[1]!, whole))
})

test('a version that others may fetch whole is offered whole once it is rebuilt, and nothing more is fetched for that', async () => {
  const { store, asked, exchange } = await holdingTheBase()
  expect(await bringPolicy(manifests, { exchange, store, isWanted: () => true })).toBe('here')
  expect(asked).toEqual([[...hashesOfDeltas(1), ...hashesOfDeltas(2)], []])
})

test('nothing is fetched for a version that was given up while the store was searched', async () => {
  const { store, asked, exchange } = await holdingTheBase()
  expect(await bringPolicy(manifests, { exchange, store, isWanted: () => false })).toBe('given_up')
  expect(asked).toEqual([])
})
