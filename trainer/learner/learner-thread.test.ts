import { describe, expect, it } from 'vitest'
import { initialAdapter } from '#shared/model/lora.ts'
import { randomWeights } from '#shared/model/random-weights.ts'
import { createRng } from '#shared/random/rng.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { startLearnerThread } from './learner-thread.ts'
import type { LearnerSetup } from './learner-worker.ts'
import { GrpoLearner } from './learner.ts'
import { DEFAULT_LOSS } from './losses/loss-config.ts'
import { DEFAULT_OPTIMIZER } from './optimizer-config.ts'
import { createOrtBackend } from './ort-backend.ts'
import { TrainedPolicy } from './trained-policy.ts'

const CONFIG = tinyConfig({ layers: 1 })
const LORA = { rank: 2, alpha: 4, targets: ['q_proj', 'up_proj'] } as const
const SETUP: LearnerSetup = {
  config: CONFIG,
  lora: LORA,
  weights: randomWeights(CONFIG, 1),
  adapter: initialAdapter(CONFIG, LORA, createRng(1)),
  optimizer: DEFAULT_OPTIMIZER,
  precision: 'float32',
  grpo: { loss: DEFAULT_LOSS, advantage: 'grpo' },
  backend: { threads: 1 }
}
const GROUPS = [
  [
    { tokens: [1, 2, 5], promptLength: 2, behaviourLogProbs: [-3], reward: 1 },
    { tokens: [1, 2, 6, 7], promptLength: 2, behaviourLogProbs: [-3, -2], reward: 0 }
  ]
]

describe('startLearnerThread', () => {
  it('learns in another thread exactly as in this one, and hands its state back and forth', async () => {
    const thread = await startLearnerThread(SETUP)
    const backend = await createOrtBackend(CONFIG, LORA, { threads: 1 })
    const policy = new TrainedPolicy(backend, CONFIG, DEFAULT_OPTIMIZER, SETUP.weights, SETUP.adapter)
    const metrics = await new GrpoLearner(policy, SETUP.grpo).step(GROUPS)

    const first = await thread.learner.step(GROUPS)
    expect(first).toEqual({ metrics, parameters: policy.state().parameters })
    const saved = await thread.learner.state()
    expect(saved).toEqual(policy.state())
    const second = await thread.learner.step(GROUPS)
    expect(second.parameters).not.toEqual(first.parameters)
    await thread.learner.restore(saved)
    expect((await thread.learner.step(GROUPS)).parameters).toEqual(second.parameters)
    await thread.close()
    await backend.dispose()
  })

  it('reports an error of the thread to the caller', async () => {
    await expect(startLearnerThread({ ...SETUP, adapter: new Map() })).rejects.toThrow('no tensor model.layers.0.self_attn.q_proj.lora_A.weight')
    const thread = await startLearnerThread(SETUP)
    await expect(thread.learner.restore({ step: 1, parameters: new Map(), moments: new Map() })).rejects.toThrow('has no tensor')
    await thread.close()
  })
})
