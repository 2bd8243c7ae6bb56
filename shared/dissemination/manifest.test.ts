import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { signingKeyFrom } from '../crypto/signature.ts'
import { manifest as manifestSchema, type Manifest, type ManifestBody } from '../protocol/manifest.ts'
import { decode } from '../protocol/schema.ts'
import type { Tensor } from '../model/tensor.ts'
import { deltaLineage } from '../testing/delta-lineage.ts'
import { runs } from '../testing/property-runs.ts'
import { RUN_KEY } from '../testing/swarm-fixtures.ts'
import { checkManifest, checkPolicy, chunksOf, cutPolicy, manifestHash, signManifest } from './manifest.ts'
import { assembleGroup, groupTensors } from './tensor-groups.ts'

const key = signingKeyFrom(new Uint8Array(32).fill(1))
const terms = { publicKey: key.publicKey, versionBytes: 2 ** 27 }

function tensor(shape: readonly number[], first = 0): Tensor {
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1))
  return { shape, data: data.map((_, index) => first + index) }
}

const adapter = new Map([
  ['model.layers.0.self_attn.q_proj.lora_A.weight', tensor([8, 64])],
  ['model.layers.1.self_attn.q_proj.lora_A.weight', tensor([300, 512], 3)],
  ['model.layers.1.self_attn.q_proj.lora_B.weight', tensor([64, 8], 7)]
])

function adapterVersion(): { manifest: Manifest; chunks: ReadonlyMap<string, Uint8Array<ArrayBuffer>> } {
  const { body, chunks } = cutPolicy({ run: 'r', version: 3, parent: 0, kind: 'lora', groups: groupTensors(adapter) })
  return { manifest: signManifest(body, key), chunks }
}

test('tensors are filed under the group that their name belongs to', () => {
  const names = ['model.embed_tokens.weight', 'model.layers.0.input_layernorm.weight', 'model.layers.12.mlp.up_proj.weight', 'model.norm.weight', 'lm_head.weight']
  const groups = groupTensors(new Map([...names, ...adapter.keys()].map(name => [name, tensor([1])])))
  expect(groups.map(group => [group.name, group.tensors.size])).toEqual([['adapter.0', 1], ['adapter.1', 2], ['embed', 1], ['head', 2], ['layer.0', 1], ['layer.12', 1]])
  expect(() => groupTensors(new Map([['rotary.weight', tensor([1])]]))).toThrow('"rotary.weight" belongs to no group')
})

test('the same weights have the same name and chunks in whatever order they are given', () => {
  const cut = (tensors: readonly (readonly [string, Tensor])[]) => cutPolicy({ run: 'r', version: 3, parent: 0, kind: 'lora', groups: groupTensors(new Map(tensors)) })
  const [one, other] = [cut([...adapter]), cut([...adapter].toReversed())]
  expect(manifestHash(one.body)).toBe(manifestHash(other.body))
  expect([...one.chunks.keys()]).toEqual([...other.chunks.keys()])
})

test('what is cut, sent as JSON, checked and assembled is what was published', () => {
  const { manifest, chunks } = adapterVersion()
  const decoded = decode(manifestSchema, JSON.parse(JSON.stringify(manifest)))
  if (decoded.kind !== 'ok') throw new Error(decoded.path)
  expect(checkManifest(decoded.value, terms, undefined)).toEqual({ kind: 'ok' })
  expect(manifestHash(decoded.value)).toBe(manifestHash(manifest))
  const assembled = new Map(decoded.value.groups.flatMap(group => [...assembleGroup(group, group.chunks.map(chunk => chunks.get(chunk.hash)!))]))
  expect(assembled).toEqual(adapter)
  expect(chunksOf(manifest).map(chunk => chunk.size)).toEqual([2048, 262_144, 262_144, 92_160])
})

test('a group of one aligned chunk is not copied; an unaligned one is', () => {
  const { manifest, chunks } = adapterVersion()
  const [first] = manifest.groups
  const bytes = chunks.get(first!.chunks[0]!.hash)!
  expect([...assembleGroup(first!, [bytes]).values()][0]!.data.buffer).toBe(bytes.buffer)
  const shifted = new Uint8Array(bytes.byteLength + 1).subarray(1)
  shifted.set(bytes)
  expect(assembleGroup(first!, [shifted])).toEqual(assembleGroup(first!, [bytes]))
})

test('chunks of other sizes than the manifest says are a bug', () => {
  const { manifest } = adapterVersion()
  expect(() => assembleGroup(manifest.groups[0]!, [new Uint8Array(2044)])).toThrow('[2044] bytes where the manifest says [2048]')
  expect(() => assembleGroup(manifest.groups[0]!, [])).toThrow('chunks of [] bytes')
})

test('full tensors of any shapes survive, whatever the chunk borders', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 700 })), { minLength: 1, maxLength: 4 }), shapes => {
      const tensors = new Map(shapes.map((shape, index) => [`model.layers.${index % 2}.t${index}`, tensor(shape, index)]))
      const { body, chunks } = cutPolicy({ run: 'r', version: 0, parent: null, kind: 'full', groups: groupTensors(tensors) })
      expect(checkManifest(signManifest(body, key), terms, 0)).toEqual({ kind: 'ok' })
      const assembled = new Map(body.groups.flatMap(group => [...assembleGroup(group, group.chunks.map(chunk => chunks.get(chunk.hash)!))]))
      for (const [name, { shape, data }] of tensors) {
        expect(assembled.get(name)!.shape).toEqual(shape)
        expect(Buffer.from(assembled.get(name)!.data.buffer, assembled.get(name)!.data.byteOffset, data.byteLength).equals(Buffer.from(data.buffer))).toBe(true)
      }
    }),
    runs(30)
  )
})

describe('refusals', () => {
  const { manifest } = adapterVersion()
  const resigned = (change: Partial<ManifestBody>): Manifest => {
    const { signature: _, ...body } = manifest
    return signManifest({ ...body, ...change }, key)
  }
  const [small, large] = manifest.groups as [Manifest['groups'][number], Manifest['groups'][number]]

  test('a signature by another key, or over another body', () => {
    expect(checkManifest(manifest, { ...terms, publicKey: signingKeyFrom(new Uint8Array(32).fill(2)).publicKey }, undefined)).toMatchObject({ code: 'bad_signature' })
    expect(checkManifest({ ...manifest, version: 4 }, terms, undefined)).toMatchObject({ code: 'bad_signature' })
    expect(checkManifest({ ...manifest, run: 'other' }, terms, undefined)).toMatchObject({ code: 'bad_signature' })
  })

  test('an older version than the newest seen; the same one again is fine', () => {
    expect(checkManifest(manifest, terms, 4)).toMatchObject({ code: 'stale_version', detail: 'version 3 after version 4' })
    expect(checkManifest(manifest, terms, 3)).toEqual({ kind: 'ok' })
  })

  test.each<[string, Partial<ManifestBody>, string]>([
    ['chunks that do not fill the tensors', { groups: [{ ...small, tensors: [{ name: 'a', shape: [8, 63] }] }] }, 'chunks of 2048 bytes for tensors of 2016'],
    ['a chunk above the limit of its kind', { groups: [{ ...small, tensors: [{ name: 'a', shape: [65_537] }], chunks: [{ hash: 'a'.repeat(64), size: 262_148 }] }] }, 'more than 262144'],
    ['one chunk with two sizes', { groups: [small, { ...large, chunks: [{ hash: small.chunks[0]!.hash, size: 4 }] }] }, 'with two sizes'],
    ['a group twice', { groups: [small, small] }, 'group adapter.0 twice'],
    ['a tensor twice', { groups: [small, { ...small, name: 'adapter.1' }] }, 'twice'],
    ['base weights in an adapter', { groups: [{ ...small, name: 'layer.0' }] }, 'group layer.0 in a lora version'],
    ['an adapter without a parent', { parent: null }, 'older version as its parent'],
    ['an adapter of itself', { parent: 3 }, 'version 3 is no older version'],
    ['a parent that is not older', { parent: 4 }, 'version 4 is no older version'],
    ['an adapter with deltas', { groups: [{ ...small, delta: small.chunks }] }, 'with a delta in a lora version']
  ])('%s', (_, change, detail) => {
    const answer = checkManifest(resigned(change), terms, undefined)
    expect(answer).toMatchObject({ code: 'malformed' })
    expect(answer).toHaveProperty('detail', expect.stringContaining(detail))
  })
})

describe('deltas', () => {
  const lineage = deltaLineage(['full', 'delta', 'delta', 'full', 'delta']).map(({ manifest }) => manifest)
  const ofRun = { publicKey: RUN_KEY.publicKey, versionBytes: 5200 }
  const check = (version: number, ancestors: readonly Manifest[], change: Partial<ManifestBody> = {}, run = ofRun) => {
    const { signature: _, ...body } = lineage[version]!
    return checkPolicy({ manifest: signManifest({ ...body, ...change }, RUN_KEY), ...(ancestors.length > 0 && { ancestors: [...ancestors] }) }, run, undefined)
  }

  test('a version is known by its weights, however it comes', () => {
    const { groups, ...body } = lineage[3]!
    const alone = signManifest({ ...body, kind: 'full', parent: null, groups: groups.map(({ name, tensors, chunks }) => ({ name, tensors, chunks })) }, RUN_KEY)
    for (const kind of ['full', 'delta'] as const) expect(manifestHash({ ...lineage[3]!, kind })).toBe(manifestHash(alone))
    expect(manifestHash(lineage[4]!)).not.toBe(manifestHash(lineage[3]!))
  })

  test('is signed with its deltas', () => {
    const [group, ...others] = lineage[1]!.groups
    const swapped = { ...lineage[1]!, groups: [{ ...group!, delta: lineage[2]!.groups[0]!.delta! }, ...others] }
    expect(checkManifest(swapped, ofRun, undefined)).toMatchObject({ code: 'bad_signature' })
  })

  test('may be acted on with all that lies between it and a whole version', () => {
    expect(check(0, [])).toEqual({ kind: 'ok' })
    expect(check(2, lineage.slice(0, 2))).toEqual({ kind: 'ok' })
    expect(check(4, lineage.slice(1, 4))).toEqual({ kind: 'ok' })
    expect(check(3, lineage.slice(2, 3))).toEqual({ kind: 'ok' })
  })

  test.each<[string, number, readonly Manifest[], Partial<ManifestBody>, string]>([
    ['without its parent', 1, [], {}, 'without its parent, version 0'],
    ['with a gap', 2, lineage.slice(0, 1), {}, 'version 0 came as the parent of version 2, which has 1'],
    ['with an ancestor that is no parent', 0, lineage.slice(0, 1), {}, 'version 0 came as the parent of version 0, which has none'],
    ['that leads back to nothing whole', 2, lineage.slice(1, 2), {}, 'version 1, which cannot be had whole'],
    ['without a parent', 1, [], { parent: null }, 'a delta has an older version as its parent'],
    ['without deltas', 1, lineage.slice(0, 1), { groups: lineage[0]!.groups }, 'without a delta in a delta version with a parent'],
    ['of other tensors', 1, lineage.slice(0, 1), { groups: lineage[1]!.groups.slice(1) }, 'not those of version 0']
  ])('a version %s is refused', (_, version, ancestors, change, detail) => {
    const answer = check(version, ancestors, change)
    expect(answer).toMatchObject({ code: 'malformed' })
    expect(answer).toHaveProperty('detail', expect.stringContaining(detail))
  })

  test('an ancestor that the run has not signed is refused', () => {
    const { signature: _, ...body } = lineage[0]!
    expect(check(1, [signManifest(body, key)])).toMatchObject({ code: 'bad_signature' })
  })

  test('what is larger than the run allows is refused, of whatever kind', () => {
    const small = { ...ofRun, versionBytes: 5199 }
    expect(check(0, [], {}, small)).toMatchObject({ code: 'too_large', detail: 'version 0 has 5200 bytes, more than 5199' })
    expect(check(1, lineage.slice(0, 1), {}, small)).toMatchObject({ code: 'too_large' })
    expect(checkManifest(adapterVersion().manifest, { ...terms, versionBytes: 1000 }, undefined)).toMatchObject({ code: 'too_large' })
  })

  test('a delta that is larger than the weights is refused', () => {
    const groups = lineage[1]!.groups.map(group => ({ ...group, delta: [{ hash: 'a'.repeat(64), size: 4001 }, { hash: 'b'.repeat(64), size: 4000 }] }))
    expect(check(1, lineage.slice(0, 1), { groups })).toMatchObject({ code: 'too_large' })
  })
})
