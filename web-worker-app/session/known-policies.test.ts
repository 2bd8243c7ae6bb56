import { expect, test } from 'vitest'
import { signingKeyFrom } from '#shared/crypto/signature.ts'
import { chunksOf, cutPolicy, manifestHash, signManifest } from '#shared/dissemination/manifest.ts'
import { groupTensors } from '#shared/dissemination/tensor-groups.ts'
import { toHuggingFaceConfig } from '#shared/model/config.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import type { Manifest } from '#shared/protocol/manifest.ts'
import type { RunDescription } from '#shared/protocol/run-description.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { MemoryChunkStore } from '../storage/memory-chunk-store.ts'
import { KnownPolicies } from './known-policies.ts'
import { assemblePolicy } from './policy-tensors.ts'

const config = tinyConfig()
const lora: NonNullable<RunDescription['lora']> = { rank: 2, alpha: 4, targets: ['q_proj'] }
const key = signingKeyFrom(new Uint8Array(32).fill(1))
const description: RunDescription = { run: 'run', goal: '', mode: 'async', stalenessBudget: 4, model: toHuggingFaceConfig(config), lora, publicKey: key.publicKey, downloadBytes: 1 }

function policyOf(version: number, { run = 'run', signer = key, of = config, rank = lora.rank } = {}) {
  const tensors = version === 0 ? randomWeights(of, 0) : randomAdapter(of, { ...lora, rank }, version)
  const { body, chunks } = cutPolicy({ run, version, parent: version === 0 ? null : 0, kind: version === 0 ? 'full' : 'lora', groups: groupTensors(tensors) })
  return { manifest: signManifest(body, signer), chunks, tensors }
}

function knownPolicies(): KnownPolicies {
  const policies = KnownPolicies.of(description)
  if (typeof policies === 'string') throw new Error(policies)
  return policies
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
  expect(chunksOf(removed.manifest).every(({ hash }) => removed.shared.has(hash))).toBe(true)
  expect(policies.remove({ version: 1, manifestHash: manifestHash(adapter.manifest) })).toBeUndefined()
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
