import { describe, expect, test } from 'vitest'
import { sha256Hex } from '../crypto/sha256.ts'
import type { Manifest } from '../protocol/manifest.ts'
import { deltaLineage, type LineageMember } from '../testing/delta-lineage.ts'
import { bytesOf, chunksOf } from './manifest.ts'
import type { PartOfManifest } from './slice-manifest.ts'
import { bringVersion } from './version-arrival.ts'
import { cheapestRoute, deltaGroups, originChunks } from './version-route.ts'

const lineage = deltaLineage(['full', 'delta', 'delta', 'full', 'delta'])
const manifests = lineage.map(({ manifest }) => manifest)
const allChunks = new Map(lineage.flatMap(({ chunks }) => [...chunks]))

const deltaHashes = (...versions: number[]): string[] => versions.flatMap(version => chunksOf({ groups: deltaGroups(manifests[version]!) }).map(({ hash }) => hash))
const wholeHashes = (version: number): string[] => chunksOf(manifests[version]!).map(({ hash }) => hash)
const fetched = (members: readonly Manifest[], ...held: number[]): string[] => chunksOf(cheapestRoute(members, new Set(held)).toFetch).map(({ hash }) => hash)

describe('the cheapest way', () => {
  test('from the parent is its delta', () => {
    expect(fetched(manifests, 3)).toEqual(deltaHashes(4))
    expect(fetched(manifests.slice(0, 4), 2)).toEqual(deltaHashes(3))
  })

  test('from an older version is all deltas since, in their order', () => {
    const route = cheapestRoute(manifests, new Set([0]))
    expect(route.start.version).toBe(0)
    expect(route.steps.map(({ version }) => version)).toEqual([1, 2, 3, 4])
    expect(chunksOf(route.toFetch).map(({ hash }) => hash)).toEqual(deltaHashes(1, 2, 3, 4))
  })

  test('from nothing begins at the newest version that the origin has whole', () => {
    expect(fetched(manifests)).toEqual([...wholeHashes(3), ...deltaHashes(4)])
    expect(fetched(manifests.slice(0, 3))).toEqual([...wholeHashes(0), ...deltaHashes(1, 2)])
  })

  test('from an old version is a whole one, where the deltas since are larger', () => {
    const changing = deltaLineage(['full', 'delta', 'delta', 'full'], version => new Map([['model.norm.weight', { shape: [1000], data: new Float32Array(1000).map((_, index) => Math.sin(index + version * 1000)) }]]))
    const members = changing.map(({ manifest }) => manifest)
    expect(fetched(members, 0)).toEqual(chunksOf(members[3]!).map(({ hash }) => hash))
  })

  test('to what is here needs nothing', () => {
    expect(fetched(manifests, 4)).toEqual([])
  })

  test('from nowhere is a bug of whoever let the lineage pass', () => {
    expect(() => cheapestRoute(manifests.slice(1, 3), new Set())).toThrow('no way leads to version 2')
  })
})

test('the origin has every whole version whole, and every delta that somebody can begin with', () => {
  const hashes = originChunks({ manifest: manifests[4]!, ancestors: manifests.slice(1, 4) }).map(({ hash }) => hash)
  expect(hashes.toSorted()).toEqual([...deltaHashes(2), ...wholeHashes(3), ...deltaHashes(3), ...deltaHashes(4)].toSorted())
  expect(originChunks({ manifest: manifests[0]! })).toEqual(chunksOf(manifests[0]!))
})

/** A tab's store and the chunks that were published. */
class Arrival {
  readonly stored = new Map<string, Uint8Array<ArrayBuffer>>()
  bytesFetched = 0

  hold({ manifest, chunks }: LineageMember): void {
    for (const { hash } of chunksOf(manifest)) this.stored.set(hash, chunks.get(hash)!)
  }

  bring(members: readonly PartOfManifest[], fetching: () => void = () => {}, published: ReadonlyMap<string, Uint8Array<ArrayBuffer>> = allChunks) {
    return bringVersion(members, {
      digest: bytes => Promise.resolve(sha256Hex(bytes)),
      get: hash => Promise.resolve(this.stored.get(hash)),
      put: (hash, bytes) => Promise.resolve(void this.stored.set(hash, bytes)),
      fetch: part => {
        for (const { hash, size } of chunksOf(part)) {
          this.stored.set(hash, published.get(hash)!)
          this.bytesFetched += size
        }
        fetching()
        return Promise.resolve(true)
      }
    })
  }

  has(member: LineageMember): boolean {
    return chunksOf(member.manifest).every(({ hash }) => Buffer.from(this.stored.get(hash) ?? []).equals(member.chunks.get(hash)!))
  }
}

describe('bringing a version', () => {
  test.each([
    ['the parent', 3],
    ['an older version', 1]
  ])('from %s fetches deltas and gives the very bytes', async (_, held) => {
    const arrival = new Arrival()
    arrival.hold(lineage[held]!)
    expect(await arrival.bring(manifests)).toBe('here')
    expect(arrival.has(lineage[4]!)).toBe(true)
    expect(arrival.bytesFetched).toBe(bytesOf(manifests.slice(held + 1).flatMap(member => chunksOf({ groups: deltaGroups(member) }))))
  })

  test('from nothing gives the very bytes', async () => {
    const arrival = new Arrival()
    expect(await arrival.bring(manifests.slice(0, 3))).toBe('here')
    expect(arrival.has(lineage[2]!)).toBe(true)
  })

  test('of a slice fetches the deltas of its groups only', async () => {
    const arrival = new Arrival()
    const slice = manifests.map(member => ({ ...member, groups: member.groups.slice(1) }))
    arrival.hold(lineage[3]!)
    expect(await arrival.bring(slice)).toBe('here')
    expect(arrival.bytesFetched).toBe(manifests[4]!.groups[1]!.delta![0]!.size)
  })

  test('begins anew when the parent was thrown away while its delta came', async () => {
    const arrival = new Arrival()
    arrival.hold(lineage[3]!)
    let lost = false
    const answer = await arrival.bring(manifests, () => {
      if (!lost) for (const hash of wholeHashes(3)) arrival.stored.delete(hash)
      lost = true
    })
    expect(answer).toBe('here')
    expect(arrival.has(lineage[4]!)).toBe(true)
  })

  test('is given up when its fetch is', async () => {
    expect(await bringVersion(manifests, { digest: bytes => Promise.resolve(sha256Hex(bytes)), get: () => Promise.resolve(undefined), put: () => Promise.resolve(), fetch: () => Promise.resolve(false) })).toBe('given_up')
  })

  test('is refused where signed deltas lead elsewhere, and nothing of it is stored', async () => {
    const arrival = new Arrival()
    arrival.hold(lineage[3]!)
    const groups = manifests[4]!.groups.map(group => ({ ...group, delta: manifests[3]!.groups.find(({ name }) => name === group.name)!.delta! }))
    expect(await arrival.bring([...manifests.slice(0, 4), { ...manifests[4]!, groups }])).toMatchObject({ kind: 'refused' })
    expect(chunksOf(manifests[4]!).some(({ hash }) => arrival.stored.has(hash))).toBe(false)
  })
})
