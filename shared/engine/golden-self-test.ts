/**
 * Some devices compute wrong numbers without an error (for example microsoft/onnxruntime#26732), so an engine shows that
 * it computes a known model before it takes work.
 */
import type { DecoderConfig } from '../model/config.ts'
import type { LoraConfig } from '../model/lora.ts'
import { randomAdapter, randomWeights } from '../model/random-weights.ts'
import type { Tensors } from '../model/tensor.ts'
import type { SliceEngine } from './slice-engine.ts'

export const GOLDEN_CONFIG: DecoderConfig = {
  architecture: 'qwen3',
  vocabSize: 12,
  hiddenSize: 32,
  intermediateSize: 48,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  rmsNormEpsilon: 1e-6,
  ropeTheta: 10_000,
  tiedEmbeddings: true,
  contextLength: 16,
  qkNorm: true,
  bosTokenId: 1,
  padTokenId: 0,
  eosTokenIds: [2]
}

export const GOLDEN_LORA: LoraConfig = { rank: 2, alpha: 4, targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] }

export const GOLDEN_TOKENS = [1, 7, 3, 3, 10, 5]

/** Logits after the last two of GOLDEN_TOKENS, from the float64 forward pass that the tests also use. */
export const GOLDEN_LOGITS: readonly (readonly number[])[] = [
  [-5.314517, 0.139245, -3.567446, -6.196915, -0.860139, 6.736465, -6.169482, 1.386470, -0.820252, -5.563586, 2.080192, 5.496907],
  [-5.963507, -2.903922, -1.950349, -4.711621, -1.472869, 6.640758, -6.109938, 1.404763, -3.858502, -5.825927, -0.207501, 7.049588]
]

/** Far above the rounding of float32 (about 1e-5 here) and far below what a wrong operator or float16 does. */
const TOLERANCE = 1e-3

export interface SelfTestResult {
  readonly ok: boolean
  /** Of any logit from its known value; infinite when values are missing or not numbers. */
  readonly maxDifference: number
}

/**
 * Prefills all golden tokens but one in an unequal batch, decodes the last, and compares the logits of both calls.
 * @param makeEngine makes an engine of the kind under test, on the device under test
 * @throws what the engine throws
 */
export async function runSelfTest(makeEngine: (config: DecoderConfig, weights: Tensors, lora: LoraConfig) => Promise<SliceEngine>): Promise<SelfTestResult> {
  const engine = await makeEngine(GOLDEN_CONFIG, randomWeights(GOLDEN_CONFIG, 'golden'), GOLDEN_LORA)
  try {
    await engine.setAdapter(randomAdapter(GOLDEN_CONFIG, GOLDEN_LORA, 'golden'))
    const logits = await goldenRun(engine)
    const expected = GOLDEN_LOGITS.flatMap(row => [...row, ...row])
    const maxDifference = logits.length === expected.length ? Math.max(...logits.map((logit, index) => Math.abs(logit - expected[index]!))) : Infinity
    return Number.isNaN(maxDifference) ? { ok: false, maxDifference: Infinity } : { ok: maxDifference <= TOLERANCE, maxDifference }
  } finally {
    await engine.release()
  }
}

/** Rows 0 and 2 hold the golden tokens, row 1 fewer. @returns the logits of rows 0 and 2 of both calls */
async function goldenRun(engine: SliceEngine): Promise<number[]> {
  const steps = GOLDEN_TOKENS.length - 1
  const prefix = GOLDEN_TOKENS.slice(0, steps)
  const last = GOLDEN_TOKENS[steps]!
  const cache = engine.createCache(3, GOLDEN_CONFIG.contextLength)
  const short = Array.from({ length: steps }, (_, step) => (step < 2 ? 4 : 0))
  const prefill = await engine.forward(
    {
      tokens: Int32Array.of(...prefix, ...short, ...prefix),
      rows: 3,
      steps,
      lengths: Int32Array.of(steps, 2, steps),
      logitRows: Int32Array.of(steps - 1, 3 * steps - 1)
    },
    cache
  )
  const decode = await engine.forward(
    { tokens: Int32Array.of(last, 4, last), rows: 3, steps: 1, lengths: Int32Array.of(steps + 1, 3, steps + 1), logitRows: Int32Array.of(0, 2) },
    cache
  )
  cache.release()
  return [...prefill.logits!, ...decode.logits!]
}
