/** What Node generates alone, to hold beside what tabs delivered. */
import { expect } from '@playwright/test'
import * as nodeRuntime from 'onnxruntime-node'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import type { Rollout } from '#shared/protocol/rollout.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'
import type { LeasingTrainer } from './leasing-trainer.ts'

/** Generates the same rollouts in Node and compares every token. */
export async function expectSameAsNode(trainer: LeasingTrainer, rollouts: readonly Rollout[]): Promise<void> {
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
      for (const { id, tokens } of await generator.step()) expect(claimed.get(id)!.tokens, `rollout ${id} of version ${version}`).toEqual(tokens)
    }
  }
  await engine.release()
}
