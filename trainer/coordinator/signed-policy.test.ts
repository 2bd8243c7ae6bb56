import { describe, expect, test } from 'vitest'
import { checkPolicy, chunksOf, manifestHash } from '#shared/dissemination/manifest.ts'
import { groupTensors } from '#shared/dissemination/tensor-groups.ts'
import { originChunks } from '#shared/dissemination/version-route.ts'
import { createRng } from '#shared/random/rng.ts'
import { RUN, RUN_KEY } from '#shared/testing/swarm-fixtures.ts'
import { PolicySequence, signPolicy, type SignedPolicy } from './signed-policy.ts'

const WEIGHTS = 20_000

/** @param changed share of the weights that differ from version to version, by a little or in every bit */
function sequence(versions: number, changed: number, change: 'a little' | 'in every bit'): SignedPolicy[] {
  const signed = new PolicySequence(RUN_KEY)
  const rng = createRng('signed-policy')
  const data = new Float32Array(WEIGHTS).map(() => rng.float())
  return Array.from({ length: versions }, (_, version) => {
    for (let at = 0; at < WEIGHTS * changed; at++) data[at] = change === 'a little' ? data[at]! + 1e-4 : new Float32Array(Uint32Array.of(rng.below(2 ** 31) * 2).buffer)[0]!
    return signed.sign({ run: RUN, version, parent: null, kind: 'full', groups: groupTensors(new Map([['model.norm.weight', { shape: [WEIGHTS], data }]])) })
  })
}

const kinds = (signed: readonly SignedPolicy[]) => signed.map(({ manifest }) => manifest.kind)
const published = ({ manifest, ancestors }: SignedPolicy) => ({ manifest, ...(ancestors.length > 0 && { ancestors: ancestors.map(ancestor => ancestor.manifest) }) })

describe('versions one after the other', () => {
  test('are small deltas of each other, and the origin is given one whole when eight have followed each other', () => {
    const signed = sequence(12, 0.01, 'a little')
    expect(kinds(signed)).toEqual(['full', ...Array<string>(8).fill('delta'), 'full', 'delta', 'delta'])
    expect(signed.map(({ ancestors }) => ancestors.map(({ manifest }) => manifest.version))).toEqual([[], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7, 8], [9], [9, 10]])
    const bytes = signed.map(({ chunks }) => [...chunks.values()].reduce((sum, { byteLength }) => sum + byteLength, 0))
    expect(bytes[1]).toBeLessThan(0.05 * bytes[0]!)
  })

  test('are given whole before the deltas since the last one have more bytes than the weights', () => {
    expect(kinds(sequence(7, 1, 'a little'))).toEqual(['full', 'delta', 'delta', 'full', 'delta', 'delta', 'full'])
  })

  test('have no deltas where these are no smaller', () => {
    const signed = sequence(3, 1, 'in every bit')
    expect(kinds(signed)).toEqual(['full', 'full', 'full'])
    expect(signed.every(({ manifest, ancestors }) => manifest.parent === null && ancestors.length === 0)).toBe(true)
  })

  test('may be acted on, and every chunk that the origin must have is there to be uploaded', () => {
    for (const signed of sequence(12, 0.5, 'a little')) {
      expect(checkPolicy(published(signed), { publicKey: RUN_KEY.publicKey, versionBytes: 4 * WEIGHTS }, undefined)).toEqual({ kind: 'ok' })
      const given = new Set([signed, ...signed.ancestors].flatMap(({ chunks }) => [...chunks.keys()]))
      expect(originChunks(published(signed)).filter(({ hash }) => !given.has(hash))).toEqual([])
    }
  })

  test('bear the names that they would bear alone: a trainer that resumes publishes the same versions', () => {
    const rng = createRng('signed-policy')
    const data = new Float32Array(WEIGHTS).map(() => rng.float())
    const content = (version: number) => ({ run: RUN, version, parent: null, kind: 'full' as const, groups: groupTensors(new Map([['model.norm.weight', { shape: [WEIGHTS], data: data.map(weight => weight + version / 1000) }]])) })
    const ofRun = new PolicySequence(RUN_KEY)
    ofRun.sign(content(0))
    const alone = signPolicy(content(1), RUN_KEY)
    const following = ofRun.sign(content(1))
    expect(following.manifest.kind).toBe('delta')
    expect(following.hash).toBe(alone.hash)
    expect(following.hash).toBe(manifestHash(following.manifest))
    expect(chunksOf(following.manifest)).toEqual(chunksOf(alone.manifest))
  })
})
