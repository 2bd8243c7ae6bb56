import { afterAll, describe, expect, it } from 'vitest'
import type { DecoderConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import { PROJECTIONS } from '#shared/model/tensor-names.ts'
import type { Tensor } from '#shared/model/tensor.ts'
import { createRng } from '#shared/random/rng.ts'
import { referenceForward } from '#shared/testing/reference-forward.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import type { LearnerBackend, TokenSequence } from './learner-backend.ts'
import { createOrtBackend } from './ort-backend.ts'
import { trainableTensors, zerosPerTensor } from './trainable.ts'

const LORA: LoraConfig = { rank: 3, alpha: 6, targets: PROJECTIONS }

/** Small against the curvature of a sharp attention; the plain forward pass computes in float64, so rounding does not limit it. */
const STEP = 1e-4

/** Unequal lengths, so that every batch has padding; three completions share a prompt; some are a single token; in two, an environment speaks in between. */
function randomSequences(config: DecoderConfig): TokenSequence[] {
  const rng = createRng('sequences')
  const shared = [1, 4, 7]
  const random = (count: number): number[] => Array.from({ length: count }, () => rng.below(config.vocabSize))
  return [
    { promptLength: 3, tokens: [...shared, ...random(4)] },
    { promptLength: 2, tokens: random(5) },
    { promptLength: 3, tokens: [...shared, ...random(1)] },
    { promptLength: 1, tokens: random(2) },
    { promptLength: 3, tokens: [...shared, ...random(5)], mask: [1, 0, 0, 1, 1] },
    { promptLength: 4, tokens: random(9), mask: [0, 1, 1, 0, 1] }
  ]
}

/** Positions of the tokens that the policy drew, whatever the backend thinks. */
function drawn({ tokens, promptLength, mask }: TokenSequence): number[] {
  return Array.from({ length: tokens.length - promptLength }, (_, at) => promptLength + at).filter((_, at) => mask?.[at] !== 0)
}

/** One coefficient per completion token, of both signs. */
function coefficient(sequence: number, position: number): number {
  return Math.sin(1 + sequence * 3.1 + position * 1.7)
}

function logSoftmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits)
  const logSum = top + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0))
  return logits.map(logit => logit - logSum)
}

interface Setting {
  readonly name: string
  readonly config: DecoderConfig
  readonly lora: LoraConfig | null
}

const SETTINGS: Setting[] = [
  { name: 'Qwen3, LoRA on every projection', config: tinyConfig({ layers: 2 }), lora: LORA },
  { name: 'Llama, LoRA on every projection', config: tinyConfig({ layers: 2, architecture: 'llama', qkNorm: false, tiedEmbeddings: false }), lora: LORA },
  { name: 'Qwen3, LoRA on two projections', config: tinyConfig({ layers: 2 }), lora: { ...LORA, targets: ['q_proj', 'down_proj'] } },
  { name: 'Qwen3, full, tied', config: tinyConfig({ layers: 2 }), lora: null },
  { name: 'Qwen3, full, untied', config: tinyConfig({ layers: 2, tiedEmbeddings: false }), lora: null },
  { name: 'Llama, full, untied', config: tinyConfig({ layers: 2, architecture: 'llama', qkNorm: false, tiedEmbeddings: false }), lora: null },
  { name: 'Llama, full, tied, one head per group', config: tinyConfig({ layers: 1, architecture: 'llama', qkNorm: false, kvHeads: 4 }), lora: null }
]

describe.each(SETTINGS)('ort backend: $name', ({ config, lora }) => {
  const weights = randomWeights(config, 'weights')
  const adapter = lora === null ? null : randomAdapter(config, lora, 'adapter')
  const sequences = randomSequences(config)
  const reference = (): number[][][] =>
    sequences.map(({ tokens }) => referenceForward(config, weights, Array.from(tokens), lora === null ? undefined : { lora, tensors: adapter! }))
  let backend: LearnerBackend
  const opened = createOrtBackend(config, lora, { threads: 1, rowBudget: 26 }).then(made => (backend = made))
  afterAll(async () => (await opened).dispose())

  it('scores completions like the plain forward pass', async () => {
    await opened
    const seen: Float32Array[][] = sequences.map(() => [])
    const scored = await backend.score({ weights, adapter }, sequences, (sequence, position, logits) => {
      seen[sequence]![position] = logits.slice()
    })
    for (const [index, rows] of reference().entries()) {
      const { tokens } = sequences[index]!
      expect(scored[index]!.logProbs).toHaveLength(drawn(sequences[index]!).length)
      for (const [at, position] of drawn(sequences[index]!).entries()) {
        const logits = rows[position - 1]!
        const logProbs = logSoftmax(logits)
        for (const [token, logit] of logits.entries()) expect(Math.abs(seen[index]![at]![token]! - logit)).toBeLessThan(1e-4)
        expect(Math.abs(scored[index]!.logProbs[at]! - logProbs[tokens[position]!]!)).toBeLessThan(1e-4)
        const entropy = -logProbs.reduce((sum, logProb) => sum + Math.exp(logProb) * logProb, 0)
        expect(Math.abs(scored[index]!.entropies[at]! - entropy)).toBeLessThan(1e-4)
      }
    }
  })

  it('differentiates every kind of parameter like central differences of the plain forward pass', async () => {
    await opened
    const trainable = trainableTensors(config, lora)
    const gradients = zerosPerTensor(trainable)
    await backend.accumulate(
      { weights, adapter },
      sequences,
      (sequence, { logProbs }) => logProbs.map((_, position) => coefficient(sequence, position)),
      gradients
    )
    const objective = (): number =>
      reference().reduce((total, rows, index) => {
        const { tokens } = sequences[index]!
        for (const [at, position] of drawn(sequences[index]!).entries()) {
          total += coefficient(index, at) * logSoftmax(rows[position - 1]!)[tokens[position]!]!
        }
        return total
      }, 0)
    const rng = createRng('elements')
    for (const { name } of trainable) {
      const { data } = (adapter ?? (weights as Map<string, Tensor>)).get(name)!
      const gradient = gradients.get(name)!
      expect(gradient).toHaveLength(data.length)
      expect(gradient.some(value => Math.abs(value) > 1e-3)).toBe(true)
      for (let draw = 0; draw < 2; draw++) {
        const at = rng.below(data.length)
        const kept = data[at]!
        data[at] = kept + STEP
        const [right, above] = [data[at]!, objective()]
        data[at] = kept - STEP
        const [left, below] = [data[at]!, objective()]
        data[at] = kept
        const expected = (above - below) / (right - left)
        expect(Math.abs(gradient[at]! - expected), `${name}[${at}]: ${gradient[at]} against ${expected}`).toBeLessThan(2e-4 * (1 + Math.abs(expected)))
      }
    }
  })
})

describe('ort backend', () => {
  it('gives the same scores and gradients for every packing', async () => {
    const config = tinyConfig()
    const weights = randomWeights(config, 'weights')
    const adapter = randomAdapter(config, LORA, 'adapter')
    const sequences = randomSequences(config)
    const results: number[][] = []
    for (const rowBudget of [1, 18, 1000]) {
      const backend = await createOrtBackend(config, LORA, { threads: 1, rowBudget })
      const gradients = zerosPerTensor(trainableTensors(config, LORA))
      const scored = await backend.score({ weights, adapter }, sequences)
      await backend.accumulate({ weights, adapter }, sequences, (_, { logProbs }) => logProbs.map(() => 1), gradients)
      await backend.dispose()
      results.push([...scored.flatMap(({ logProbs }) => [...logProbs]), ...[...gradients.values()].flatMap(gradient => [...gradient])])
    }
    for (const other of results.slice(1)) {
      expect(Math.max(...other.map((value, at) => Math.abs(value - results[0]![at]!) / (1 + Math.abs(value))))).toBeLessThan(1e-4)
    }
  })

  it('sees parameters that were changed in place', async () => {
    const config = tinyConfig({ layers: 1 })
    const weights = randomWeights(config, 'weights')
    const backend = await createOrtBackend(config, null, { threads: 1 })
    const sequences = randomSequences(config)
    const [before] = await backend.score({ weights, adapter: null }, sequences)
    weights.get('model.layers.0.mlp.down_proj.weight')!.data[0]! += 0.5
    const [after] = await backend.score({ weights, adapter: null }, sequences)
    await backend.dispose()
    expect(after!.logProbs).not.toEqual(before!.logProbs)
  })

  it('refuses sequences that do not fit the model', async () => {
    const config = tinyConfig({ layers: 1 })
    const parameters = { weights: randomWeights(config, 'weights'), adapter: null }
    const backend = await createOrtBackend(config, null, { threads: 1 })
    const long = { promptLength: 1, tokens: new Int32Array(config.contextLength + 1) }
    await expect(backend.score(parameters, [long])).rejects.toThrow('sequence 0: 65 tokens in a context of 64')
    await expect(backend.score(parameters, [{ promptLength: 1, tokens: [1, 23] }])).rejects.toThrow('token 23 in a vocabulary of 23')
    await expect(backend.score(parameters, [{ promptLength: 1, tokens: [-1, 2] }])).rejects.toThrow('token -1')
    await backend.dispose()
  })

  it('refuses parameters that do not belong to it', async () => {
    const config = tinyConfig({ layers: 1 })
    const weights = randomWeights(config, 'weights')
    const backend = await createOrtBackend(config, LORA, { threads: 1 })
    await expect(backend.score({ weights, adapter: null }, randomSequences(config))).rejects.toThrow('must agree')
    await expect(backend.score({ weights, adapter: new Map() }, randomSequences(config))).rejects.toThrow('have no tensor')
    await backend.dispose()
  })
})
