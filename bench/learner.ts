/**
 * The learner's step (forward, backward, AdamW on every parameter) beside the same step on TensorFlow.js' WASM backend, both in
 * GFLOP/s of the model's own arithmetic: recomputed activations cost time but count for nothing.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseDecoderConfig, type DecoderConfig } from '#shared/model/config.ts'
import { randomWeights } from '#shared/model/random-weights.ts'
import { createRng } from '#shared/random/rng.ts'
import { DEFAULT_OPTIMIZER } from '#trainer/learner/optimizer-config.ts'
import { createOrtBackend } from '#trainer/learner/ort-backend.ts'
import { supervisedStep } from '#trainer/learner/supervised.ts'
import { TrainedPolicy } from '#trainer/learner/trained-policy.ts'
import { median, timeInTurn, type Benchmark, type BenchmarkResult, type Cell } from './benchmark.ts'
import { matmulLimit } from './matmul-limit.ts'
import { TfjsLearner, useTfjsWasm, type TokenRectangle } from './tfjs-decoder.ts'

/** Of every contestant; TensorFlow.js takes many seconds for a step of the larger model. */
const REPEATS = 3

const SHIPPED_CONFIG = new URL('../public/models/murmuration-tiny/config.json', import.meta.url)

interface Case {
  readonly model: string
  readonly config: DecoderConfig
  readonly sequences: number
  readonly steps: number
}

function cases(): Case[] {
  const shipped = parseDecoderConfig(JSON.parse(readFileSync(SHIPPED_CONFIG, 'utf8')), 'config.json')
  const wide = { ...shipped, layers: 4, hiddenSize: 512, intermediateSize: 1536, heads: 8, kvHeads: 4, headDim: 64 }
  return [
    { model: 'murmuration-tiny', config: shipped, sequences: 128, steps: 16 },
    { model: '4 layers, d = 512', config: wide, sequences: 8, steps: 64 }
  ]
}

/** Arithmetic of one forward pass over a rectangle of tokens: products with weights, and attention over the causal half. */
function forwardOperations(config: DecoderConfig, { sequences, steps }: { sequences: number; steps: number }): number {
  const queries = config.heads * config.headDim
  const projections = config.hiddenSize * (2 * queries + 2 * config.kvHeads * config.headDim)
  const weights = config.layers * (projections + 3 * config.hiddenSize * config.intermediateSize) + config.vocabSize * config.hiddenSize
  const attended = (steps + 1) / 2
  return sequences * steps * (2 * weights + config.layers * 4 * attended * queries)
}

function randomTokens(vocabulary: number, { sequences, steps }: { sequences: number; steps: number }): TokenRectangle {
  const rng = createRng('learner benchmark')
  return { sequences, steps, tokens: Int32Array.from({ length: sequences * steps }, () => rng.below(vocabulary)) }
}

async function measure({ model, config, sequences, steps }: Case, limit: Awaited<ReturnType<typeof matmulLimit>>): Promise<Record<string, Cell>> {
  const batch = randomTokens(config.vocabSize, { sequences, steps })
  const examples = Array.from({ length: sequences }, (_, index) => ({ tokens: batch.tokens.subarray(index * steps, (index + 1) * steps), promptLength: 1 }))
  const backend = await createOrtBackend(config, null)
  const policy = new TrainedPolicy(backend, config, DEFAULT_OPTIMIZER, randomWeights(config, 'learner benchmark'), null)
  const shape = {
    vocabulary: config.vocabSize,
    hidden: config.hiddenSize,
    layers: config.layers,
    heads: config.heads,
    kvHeads: config.kvHeads,
    headSize: config.headDim,
    intermediate: config.intermediateSize
  }
  const plain = new TfjsLearner(shape, { explicitTransposes: false })
  const tuned = new TfjsLearner(shape, { explicitTransposes: true })
  const seconds = await timeInTurn(
    {
      murmuration: () => supervisedStep(policy, examples),
      tfjs: async () => plain.step(batch),
      tfjsTuned: async () => tuned.step(batch),
      matmul: limit.call
    },
    { warmUps: 1, repeats: REPEATS }
  )
  await backend.dispose()
  plain.dispose()
  tuned.dispose()
  const operations = 3 * forwardOperations(config, { sequences, steps })
  const rate = (name: keyof typeof seconds): number => operations / median(seconds[name]) / 1e9
  const limitRate = limit.operations / median(seconds.matmul) / 1e9
  return {
    model,
    tokens: sequences * steps,
    'step ms': Math.round(median(seconds.murmuration) * 1000),
    'GFLOP/s': rate('murmuration'),
    'tfjs-wasm GFLOP/s': rate('tfjs'),
    'tfjs-wasm, explicit transposes': rate('tfjsTuned'),
    'times the faster tfjs': rate('murmuration') / Math.max(rate('tfjs'), rate('tfjsTuned')),
    'matmul GFLOP/s': limitRate,
    'fraction of matmul': rate('murmuration') / limitRate
  }
}

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  await useTfjsWasm()
  const limit = await matmulLimit(availableParallelism())
  const rows: Record<string, Cell>[] = []
  for (const each of cases()) {
    log(`${each.model}: ${each.sequences} × ${each.steps} tokens, ${REPEATS} steps of each contestant in turn`)
    rows.push(await measure(each, limit))
  }
  const column = (key: string): number[] => rows.map(row => Number(row[key]))
  return {
    rows,
    headline: {
      speedupOverTfjs: Math.min(...column('times the faster tfjs')),
      gflops: Math.max(...column('GFLOP/s')),
      fractionOfMatmulLimit: Math.max(...column('fraction of matmul'))
    },
    notes: [
      'every parameter is trained; tfjs runs its single-threaded WASM build, the only one that works in Node',
      'matmul: one 1024³ float32 product on onnxruntime-node, all cores; speedupOverTfjs is the smaller of the two models'
    ]
  }
}

export const learnerBenchmark: Benchmark = { name: 'learner', what: 'one learner step beside TensorFlow.js (WASM)', run }
