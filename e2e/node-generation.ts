/** What Node makes of the same prompts and seeds, to hold beside what tabs delivered. */
import { expect } from '@playwright/test'
import * as nodeRuntime from 'onnxruntime-node'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import type { DecoderConfig } from '#shared/model/config.ts'
import { cdfInterval } from '#shared/model/sampling.ts'
import { referenceForward } from '#shared/testing/reference-forward.ts'
import { TOKEN_TOLERANCE } from '#shared/verification/token-check.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import type { Rollout } from '#shared/protocol/rollout.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'
import type { LeasingTrainer } from './leasing-trainer.ts'

/**
 * Generates the same rollouts in Node and compares every token.
 * @param expectSame another comparison, for rollouts of which some may have been replayed
 */
export async function expectSameAsNode(
  trainer: LeasingTrainer,
  rollouts: readonly Rollout[],
  expectSame = ({ id, version, tokens }: Rollout, inNode: readonly number[]): void => expect(tokens, `rollout ${id} of version ${version}`).toEqual(inNode)
): Promise<void> {
  const { config, lora } = trainer
  const engine = await createOrtSliceEngine({ runtime: nodeRuntime, kind: 'node', config, weights: randomWeights(config, 0), lora, sessionOptions: cpuSessionOptions('cpu', 1) })
  for (const version of new Set(rollouts.map(rollout => rollout.version))) {
    await engine.setAdapter(version === 0 ? undefined : randomAdapter(config, lora, version))
    const generator = new BatchGenerator({ engine, uniform, maxRows: 64 })
    const claimed = new Map(rollouts.filter(rollout => rollout.version === version).map(rollout => [rollout.id, rollout]))
    for (const { id, prompt, index } of claimed.values()) {
      generator.submit({ prompt: Int32Array.from(trainer.promptTokens(prompt)), samples: [{ id, seed: trainer.seed(prompt, index) }], maxTokens: trainer.maxTokens })
    }
    while (generator.pending > 0) {
      for (const { id, tokens } of await generator.step()) expectSame(claimed.get(id)!, [...tokens])
    }
  }
  await engine.release()
}

/** Probability mass; logits that a prefill and single steps compute differ by some 1e-6. */
const TIE = 1e-5

/**
 * A sequence that another pipeline goes on with is prefilled there, which adds in another order than step after step: a
 * uniform that lies within rounding of the border between two tokens may then fall the other way. Nothing else may differ:
 * the first other token must be such a tie, and all that follow must be those that the committed uniforms draw.
 * @returns whether there was a tie
 */
export function expectSameOrTied(config: DecoderConfig, prompt: readonly number[], seed: string, expected: readonly number[], actual: readonly number[]): boolean {
  const at = actual.findIndex((token, index) => token !== expected[index])
  if (at < 0) {
    expect(actual).toHaveLength(expected.length)
    return false
  }
  const logits = referenceForward(config, randomWeights(config, 0), [...prompt, ...actual])
  const miss = (index: number, token: number): number => {
    const [low, high] = cdfInterval(Float32Array.from(logits[prompt.length + index - 1]!), token)
    const u = uniform(seed, index)
    return Math.max(low - u, u - high, 0)
  }
  expect(Math.max(miss(at, actual[at]!), miss(at, expected[at]!)), `token ${at} of the answer to seed ${seed}`).toBeLessThan(TIE)
  for (const [index, token] of actual.entries()) expect(miss(index, token), `token ${index} after a tie`).toBeLessThan(TOKEN_TOLERANCE.cdf)
  return true
}
