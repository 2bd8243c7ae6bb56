/** What Node makes of the same prompts and seeds, to hold beside what tabs delivered. */
import { expect } from '@playwright/test'
import * as nodeRuntime from 'onnxruntime-node'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import type { DecoderConfig } from '#shared/model/config.ts'
import { cdfInterval } from '#shared/model/sampling.ts'
import { referenceForward, type ReferenceAdapter } from '#shared/testing/reference-forward.ts'
import { TOKEN_TOLERANCE } from '#shared/verification/token-check.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import type { Rollout } from '#shared/protocol/rollout.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'
import type { LeasingTrainer } from './leasing-trainer.ts'

/** Ties come once in some hundred thousand tokens. */
const TIES_ALLOWED = 1

/** Generates the same rollouts in Node and compares every token. */
export async function expectSameAsNode(trainer: LeasingTrainer, rollouts: readonly Rollout[]): Promise<void> {
  const { config, lora } = trainer
  let ties = 0
  const engine = await createOrtSliceEngine({ runtime: nodeRuntime, kind: 'node', config, weights: randomWeights(config, 0), lora, sessionOptions: cpuSessionOptions('cpu', 1) })
  for (const version of new Set(rollouts.map(rollout => rollout.version))) {
    const adapter = version === 0 ? undefined : randomAdapter(config, lora, version)
    await engine.setAdapter(adapter)
    const generator = new BatchGenerator({ engine, uniform, maxRows: 64 })
    const claimed = new Map(rollouts.filter(rollout => rollout.version === version).map(rollout => [rollout.id, rollout]))
    for (const { id, prompt, index } of claimed.values()) {
      generator.submit({ prompt: Int32Array.from(trainer.promptTokens(prompt)), samples: [{ id, seed: trainer.seed(prompt, index) }], maxTokens: trainer.maxTokens })
    }
    while (generator.pending > 0) {
      for (const { id, tokens: inNode } of await generator.step()) {
        const { prompt, index, tokens } = claimed.get(id)!
        const comparison = { config, prompt: trainer.promptTokens(prompt), seed: trainer.seed(prompt, index), ...(adapter !== undefined && { adapter: { lora, tensors: adapter } }) }
        if (expectSameOrTied(comparison, [...inNode], tokens)) ties++
      }
    }
  }
  await engine.release()
  expect(ties).toBeLessThanOrEqual(TIES_ALLOWED)
}

export interface Comparison {
  readonly config: DecoderConfig
  readonly adapter?: ReferenceAdapter
  readonly prompt: readonly number[]
  readonly seed: string
}

/** Probability mass; logits that are computed in another order, or by another runtime, differ by some 1e-6. */
const TIE = 1e-5

/**
 * Other runtimes add in another order, and so does a pipeline that goes on with a sequence, which it prefills: a uniform that
 * lies within rounding of the border between two tokens may then fall the other way. Nothing else may differ: the first other
 * token must be such a tie, and all that follow must be those that the committed uniforms draw.
 * @returns whether there was a tie
 */
export function expectSameOrTied({ config, adapter, prompt, seed }: Comparison, expected: readonly number[], actual: readonly number[]): boolean {
  const at = actual.findIndex((token, index) => token !== expected[index])
  if (at < 0) {
    expect(actual).toHaveLength(expected.length)
    return false
  }
  const logits = referenceForward(config, randomWeights(config, 0), [...prompt, ...actual], adapter)
  const miss = (index: number, token: number): number => {
    const [low, high] = cdfInterval(Float32Array.from(logits[prompt.length + index - 1]!), token)
    const u = uniform(seed, index)
    return Math.max(low - u, u - high, 0)
  }
  expect(Math.max(miss(at, actual[at]!), miss(at, expected[at]!)), `token ${at} of the answer to seed ${seed}`).toBeLessThan(TIE)
  for (const [index, token] of actual.entries()) expect(miss(index, token), `token ${index} after a tie`).toBeLessThan(TOKEN_TOLERANCE.cdf)
  return true
}
