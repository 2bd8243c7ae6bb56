/** What every engine must compute like the reference forward; run in Node by the engine's test and in Chromium by e2e/engine.spec.ts. */
import type { KvCache, SliceEngine } from '../engine/slice-engine.ts'
import type { DecoderConfig } from '../model/config.ts'
import type { LoraConfig } from '../model/lora.ts'
import { randomAdapter, randomWeights } from '../model/random-weights.ts'
import type { Tensors } from '../model/tensor.ts'
import { wholeModel, type ModelSlice } from '../model/tensor-names.ts'
import { referenceForward, type ReferenceAdapter } from './reference-forward.ts'
import { tinyConfig } from './tiny-model.ts'

export const LOGIT_TOLERANCE = 1e-4

export type MakeSliceEngine = (
  config: DecoderConfig,
  weights: Tensors,
  options: { readonly lora?: LoraConfig; readonly slice: ModelSlice }
) => Promise<SliceEngine>

interface Model {
  readonly config: DecoderConfig
  readonly weights: Tensors
}

interface Scenario {
  readonly name: string
  /** @returns the greatest difference of any logit from the reference forward */
  error(model: Model, makeEngine: MakeSliceEngine): Promise<number>
}

export const SCENARIO_MODELS: readonly { readonly name: string; readonly config: DecoderConfig }[] = [
  { name: 'Qwen3, tied', config: tinyConfig() },
  { name: 'Qwen3, untied', config: tinyConfig({ tiedEmbeddings: false }) },
  { name: 'Llama, tied', config: tinyConfig({ architecture: 'llama' }) },
  { name: 'Llama, untied', config: tinyConfig({ architecture: 'llama', tiedEmbeddings: false, ropeTheta: 500_000 }) }
]

const LORA: LoraConfig = { rank: 3, alpha: 6, targets: ['q_proj', 'v_proj', 'o_proj', 'gate_proj', 'down_proj'] }

const SEQUENCES = [
  [1, 4, 9, 3, 3, 7, 12],
  [1, 22],
  [1, 5, 6, 7, 8]
]

export const SLICE_SCENARIOS: readonly Scenario[] = [
  { name: 'a padded prefill', error: (model, make) => wholeModelError(model, make, 7) },
  { name: 'a padded prefill, then unequal rows step by step', error: (model, make) => wholeModelError(model, make, 4) },
  { name: 'single steps from the first token', error: (model, make) => wholeModelError(model, make, 1) },
  { name: 'layers split over three engines', error: splitError },
  { name: 'adapters swapped in and out', error: adapterError },
  { name: 'all weights replaced', error: replacementError },
  { name: 'rows copied within a cache and between capacities', error: copiedRowError }
]

export async function scenarioError(scenario: Scenario, config: DecoderConfig, makeEngine: MakeSliceEngine): Promise<number> {
  return scenario.error({ config, weights: randomWeights(config, 'weights') }, makeEngine)
}

async function wholeModelError({ config, weights }: Model, makeEngine: MakeSliceEngine, prefix: number): Promise<number> {
  const engine = await makeEngine(config, weights, { slice: wholeModel(config) })
  const error = difference(await teacherForced([engine], prefix), config, weights)
  await engine.release()
  return error
}

async function splitError({ config, weights }: Model, makeEngine: MakeSliceEngine): Promise<number> {
  const slices: ModelSlice[] = [
    { start: 0, end: 1, embed: true, head: false },
    { start: 1, end: 2, embed: false, head: false },
    { start: 2, end: config.layers, embed: false, head: true }
  ]
  const engines: SliceEngine[] = []
  for (const slice of slices) engines.push(await makeEngine(config, weights, { slice }))
  const error = difference(await teacherForced(engines, 3), config, weights)
  for (const engine of engines) await engine.release()
  return error
}

async function adapterError({ config, weights }: Model, makeEngine: MakeSliceEngine): Promise<number> {
  const engine = await makeEngine(config, weights, { slice: wholeModel(config), lora: LORA })
  const errors = [difference(await teacherForced([engine], 3), config, weights)]
  for (const seed of ['one', 'two']) {
    const tensors = randomAdapter(config, LORA, seed)
    await engine.setAdapter(tensors)
    errors.push(difference(await teacherForced([engine], 3), config, weights, { lora: LORA, tensors }))
  }
  await engine.setAdapter(undefined)
  errors.push(difference(await teacherForced([engine], 3), config, weights))
  await engine.release()
  return Math.max(...errors)
}

async function replacementError({ config, weights }: Model, makeEngine: MakeSliceEngine): Promise<number> {
  const engine = await makeEngine(config, weights, { slice: wholeModel(config) })
  const others = randomWeights(config, 'others')
  await engine.setWeights(others)
  const error = difference(await teacherForced([engine], 3), config, others)
  await engine.release()
  return error
}

async function copiedRowError({ config, weights }: Model, makeEngine: MakeSliceEngine): Promise<number> {
  const engine = await makeEngine(config, weights, { slice: wholeModel(config) })
  const tokens = SEQUENCES[0]!
  const prefilled = engine.createCache(2, 4)
  await engine.forward({ tokens: Int32Array.of(1, 2, 3, 0, ...tokens.slice(0, 4)), rows: 2, steps: 4, lengths: Int32Array.of(3, 4), logitRows: Int32Array.of(7) }, prefilled)
  const cache = engine.createCache(3, 10)
  cache.copyRow(prefilled, 1, 2)
  cache.copyRow(cache, 2, 0)
  cache.copyRow(prefilled, 0, 1)
  prefilled.release()
  const next = tokens[4]!
  const { logits } = await engine.forward({ tokens: Int32Array.of(next, 9, next), rows: 3, steps: 1, lengths: Int32Array.of(5, 4, 5), logitRows: Int32Array.of(0, 1, 2) }, cache)
  cache.release()
  await engine.release()
  const same = referenceForward(config, weights, tokens.slice(0, 5))[4]!
  const other = referenceForward(config, weights, [1, 2, 3, 9])[3]!
  return greatest([...logits!], [...same, ...other, ...same])
}

/** Logits after every token of every sequence, by one padded prefill of the first `prefix` tokens and then one token per call. */
async function teacherForced(engines: readonly SliceEngine[], prefix: number): Promise<number[][][]> {
  const { vocabSize } = engines[0]!.config
  const rows = SEQUENCES.length
  const lengths = Int32Array.from(SEQUENCES, tokens => Math.min(tokens.length, prefix))
  const width = Math.max(...lengths)
  // One row more than is used: a batch may be smaller than its cache.
  const caches = engines.map(engine => engine.createCache(rows + 1, 9))
  const padded = SEQUENCES.flatMap(tokens => Array.from({ length: width }, (_, step) => tokens[step] ?? 0))
  const prefilled = await through(engines, caches, Int32Array.from(padded), width, lengths)
  const at = (logits: Float32Array, position: number) => [...logits.subarray(position * vocabSize, (position + 1) * vocabSize)]
  const results = SEQUENCES.map((_, row) => Array.from({ length: lengths[row]! }, (_, step) => at(prefilled, row * width + step)))
  for (let position = prefix; SEQUENCES.some(tokens => tokens.length > position); position++) {
    const growing = SEQUENCES.map(tokens => tokens.length > position)
    for (const row of growing.keys()) if (growing[row] === true) lengths[row] = position + 1
    // A finished row repeats its last token at its last place, which changes nothing.
    const tokens = Int32Array.from(SEQUENCES, sequence => sequence[position] ?? sequence.at(-1)!)
    const logits = await through(engines, caches, tokens, 1, lengths)
    for (const row of growing.keys()) if (growing[row] === true) results[row]!.push(at(logits, row))
  }
  for (const cache of caches) cache.release()
  return results
}

async function through(engines: readonly SliceEngine[], caches: readonly KvCache[], tokens: Int32Array, steps: number, lengths: Int32Array): Promise<Float32Array> {
  const rows = lengths.length
  let hidden: Float32Array | undefined
  for (const [index, engine] of engines.entries()) {
    const source = hidden === undefined ? { tokens } : { hidden }
    const wanted = engine.slice.head ? { logitRows: Int32Array.from({ length: rows * steps }, (_, row) => row) } : {}
    const output = await engine.forward({ ...source, rows, steps, lengths, ...wanted }, caches[index]!)
    if (output.logits !== undefined) return output.logits
    hidden = output.hidden
  }
  throw new Error('no engine has the head')
}

function difference(actual: number[][][], config: DecoderConfig, weights: Tensors, adapter?: ReferenceAdapter): number {
  const expected = SEQUENCES.map(tokens => referenceForward(config, weights, tokens, adapter))
  return greatest(actual.flat(2), expected.flat(2))
}

/** Infinite when there are too few values or one is not a number. */
function greatest(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length) return Infinity
  const largest = Math.max(...actual.map((value, index) => Math.abs(value - expected[index]!)))
  return Number.isNaN(largest) ? Infinity : largest
}
