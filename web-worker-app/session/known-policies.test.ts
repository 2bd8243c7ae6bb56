import { expect, test } from 'vitest'
import { signingKeyFrom } from '#shared/crypto/signature.ts'
import { chunksOf, cutPolicy, manifestHash, signManifest } from '#shared/dissemination/manifest.ts'
import { groupTensors } from '#shared/dissemination/tensor-groups.ts'
import { toHuggingFaceConfig } from '#shared/model/config.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { Manifest } from '#shared/protocol/manifest.ts'
import type { RunDescription } from '#shared/protocol/run-description.ts'
import { originChunks } from '#shared/dissemination/version-route.ts'
import { deltaLineage } from '#shared/testing/delta-lineage.ts'
import { RUN, RUN_KEY } from '#shared/testing/swarm-fixtures.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { MemoryChunkStore } from '../storage/memory-chunk-store.ts'
import { KnownPolicies } from './known-policies.ts'
import { assemblePolicy } from './policy-tensors.ts'

const config = tinyConfig()
const lora: NonNullable<RunDescription['lora']> = { rank: 2, alpha: 4, targets: ['q_proj'] }
const key = signingKeyFrom(new Uint8Array(32).fill(1))
const description: RunDescription = { run: 'run', goal: '', mode: 'async', stalenessBudget: 4, model: toHuggingFaceConfig(config), lora, publicKey: key.publicKey, downloadBytes: 1, versionBytes: 2 ** 20 }

function policyOf(version: number, { run = 'run', signer = key, of = config, rank = lora.rank } = {}) {
  const tensors = version === 0 ? randomWeights(of, 0) : randomAdapter(of, { ...lora, rank }, version)
  const { body, chunks } = cutPolicy({ run, version, parent: version === 0 ? null : 0, kind: version === 0 ? 'full' : 'lora', groups: groupTensors(tensors) })
  return { manifest: signManifest(body, signer), chunks, tensors }
}

function knownPolicies(of = description): KnownPolicies {
  const policies = KnownPolicies.of(of)
  if (typeof policies === 'string') throw new Error(policies)
  return policies
}

/** The same weights in every version, but for a little step. */
function nudged(of: typeof config, version: number): Tensors {
  return new Map([...randomWeights(of, 0)].map(([name, { shape, data }]) => [name, { shape, data: data.map(weight => weight + version / 10_000) }]))
}

const announce = (manifest: Manifest) => knownPolicies().announce({ manifest })

test('what the run signed and the model fits is known by its hash', () => {
  const { manifest } = policyOf(3)
  expect(announce(manifest)).toEqual({ version: 3, manifestHash: manifestHash(manifest) })
})

test.each([
  ['signed by somebody else', policyOf(1, { signer: signingKeyFrom(new Uint8Array(32).fill(2)) }).manifest, /not signed by the run's key/],
  ['of another run', policyOf(1, { run: 'other' }).manifest, /belongs to run other/],
  ['of another rank', policyOf(2, { rank: 3 }).manifest, /lora_A.weight is \[3,24\], not \[2,24\]/],
  ['of a larger model', policyOf(2, { of: tinyConfig({ layers: 4 }) }).manifest, /has 8 tensors, not 6/],
  ['of a smaller model', policyOf(2, { of: tinyConfig({ layers: 2 }) }).manifest, /no tensor model.layers.2/]
])('a manifest %s is refused', (_, manifest, reason) => {
  expect(announce(manifest)).toMatch(reason)
})

test('a model that we cannot compute is refused with its reason', () => {
  expect(KnownPolicies.of({ ...description, model: { ...description.model, model_type: 'mamba' } })).toMatch(/mamba/)
})

test('a version is forgotten without the chunks that another one needs', () => {
  const policies = knownPolicies()
  const [base, adapter] = [policyOf(0), policyOf(1)]
  const same = signManifest({ ...adapter.manifest, version: 2 }, key)
  for (const manifest of [base.manifest, adapter.manifest, same]) policies.announce({ manifest })
  const removed = policies.remove({ version: 1, manifestHash: manifestHash(adapter.manifest) })!
  expect(chunksOf(removed.version).every(({ hash }) => removed.shared.has(hash))).toBe(true)
  expect(policies.remove({ version: 1, manifestHash: manifestHash(adapter.manifest) })).toBeUndefined()
})

test('a version comes with the slice’s part of all that its deltas lead back to, and is forgotten with all of it', () => {
  const ofRun = knownPolicies({ ...description, lora: null, publicKey: RUN_KEY.publicKey, run: RUN })
  const [base, first, second] = deltaLineage(['full', 'delta', 'delta'], version => nudged(config, version)).map(({ manifest }) => manifest)
  const announced = ofRun.announce({ manifest: second!, ancestors: [base!, first!] })
  if (typeof announced === 'string') throw new Error(announced)
  expect(ofRun.lineageOf(announced, { start: 1, end: 2 }).map(({ version, groups }) => [version, groups.map(({ name }) => name)])).toEqual([0, 1, 2].map(version => [version, ['layer.1']]))
  const forgotten = new Set(chunksOf(ofRun.remove(announced)!.version).map(({ hash }) => hash))
  expect(originChunks({ manifest: second!, ancestors: [base!, first!] }).every(({ hash }) => forgotten.has(hash))).toBe(true)
  expect(chunksOf(second!).every(({ hash }) => forgotten.has(hash))).toBe(true)
})

test('an ancestor that does not fit the model is refused before anything is fetched for it', () => {
  const ofRun = knownPolicies({ ...description, lora: null, publicKey: RUN_KEY.publicKey, run: RUN })
  const [base, first] = deltaLineage(['full', 'delta'], version => nudged(tinyConfig({ layers: 4 }), version)).map(({ manifest }) => manifest)
  const [, fitting] = deltaLineage(['full', 'delta'], version => nudged(config, version)).map(({ manifest }) => manifest)
  expect(ofRun.announce({ manifest: first!, ancestors: [base!] })).toMatch(/version 0 has \d+ tensors, not/)
  expect(ofRun.announce({ manifest: fitting!, ancestors: [base!] })).toMatch(/version 0 has \d+ tensors, not/)
})

test('tensors are put together as they were cut, and not before every chunk is here', async () => {
  const { manifest, chunks, tensors } = policyOf(0)
  const store = new MemoryChunkStore(2 ** 30)
  const [last, ...others] = [...chunks].toReversed()
  for (const [hash, bytes] of others) await store.put(hash, bytes, manifest)
  expect(await assemblePolicy(manifest, store)).toBeUndefined()
  await store.put(...last!, manifest)
  expect(await assemblePolicy(manifest, store)).toEqual(tensors)
})
