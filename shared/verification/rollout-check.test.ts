import { expect, test } from 'vitest'
import type { Rollout } from '../protocol/rollout.ts'
import { checkRollout, type RolloutTerms } from './rollout-check.ts'

const terms: RolloutTerms = { manifestHash: 'a'.repeat(64), seed: 'b'.repeat(64), vocabSize: 10, eosTokenIds: [2], maxTokens: 4 }
const honest: Rollout = { id: '3/1', version: 0, manifestHash: terms.manifestHash, prompt: 3, index: 1, seed: terms.seed, tokens: [5, 6, 2], logProbs: [-1, -1, -1], finish: 'stop' }

test.each<[string, Partial<Rollout>, ReturnType<typeof checkRollout>]>([
  ['an honest rollout', {}, undefined],
  ['one that reached the limit', { tokens: [5, 6, 7, 8], logProbs: [-1, -1, -1, -1], finish: 'length' }, undefined],
  ['one that ends exactly at the limit', { tokens: [5, 6, 7, 2], logProbs: [-1, -1, -1, -1], finish: 'stop' }, undefined],
  ['an id of another sample', { id: '3/2' }, 'malformed'],
  ['another manifest', { manifestHash: 'c'.repeat(64) }, 'wrong_manifest'],
  ['another seed', { seed: 'c'.repeat(64) }, 'wrong_seed'],
  ['a token outside the vocabulary', { tokens: [5, 10, 2] }, 'token_out_of_range'],
  ['more tokens than allowed', { tokens: [5, 6, 7, 8, 2], logProbs: [-1, -1, -1, -1, -1] }, 'bad_length'],
  ['fewer log-probs than tokens', { logProbs: [-1, -1] }, 'bad_length'],
  ['a stop without an end token', { tokens: [5, 6, 7] }, 'not_terminated'],
  ['tokens after the end token', { tokens: [5, 2, 2] }, 'not_terminated'],
  ['a cut before the limit', { tokens: [5, 6, 7], finish: 'length' }, 'not_terminated'],
  ['a limit that hides an end token', { tokens: [5, 6, 7, 2], logProbs: [-1, -1, -1, -1], finish: 'length' }, 'not_terminated']
])('%s', (_, change, expected) => {
  expect(checkRollout({ ...honest, ...change }, terms)).toBe(expected)
})

test('the first of several faults is named', () => {
  expect(checkRollout({ ...honest, manifestHash: 'c'.repeat(64), seed: 'c'.repeat(64), tokens: [99] }, terms)).toBe('wrong_manifest')
})
