import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { initialAdapter, type LoraConfig } from '#shared/model/lora.ts'
import { randomWeights } from '#shared/model/random-weights.ts'
import { PROJECTIONS } from '#shared/model/tensor-names.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import { createRng } from '#shared/random/rng.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import type { LearnerBackend } from './learner-backend.ts'
import { GrpoLearner, type LearnerRollout, type RolloutGroup } from './learner.ts'
import { DEFAULT_LOSS } from './losses/loss-config.ts'
import { DEFAULT_OPTIMIZER } from './optimizer-config.ts'
import { createOrtBackend } from './ort-backend.ts'
import { supervisedStep } from './supervised.ts'
import { TrainedPolicy } from './trained-policy.ts'

const CONFIG = tinyConfig({ layers: 2 })
const LORA: LoraConfig = { rank: 4, alpha: 8, targets: PROJECTIONS }
const PROMPTS = [
  [1, 3],
  [1, 4],
  [1, 5, 6],
  [1, 7, 8, 9]
]
const OPTIMIZER = { ...DEFAULT_OPTIMIZER, learningRate: 5e-3 }

describe.each([
  ['LoRA', LORA],
  ['full', null]
])('learner, %s', (_, lora) => {
  let backend: LearnerBackend
  beforeAll(async () => {
    backend = await createOrtBackend(CONFIG, lora, { threads: 1 })
  })
  afterAll(() => backend.dispose())

  const newPolicy = (): TrainedPolicy =>
    new TrainedPolicy(backend, CONFIG, OPTIMIZER, randomWeights(CONFIG, 1), lora === null ? null : initialAdapter(CONFIG, lora, createRng(2)))

  const distribution = async (policy: TrainedPolicy, prompt: readonly number[]): Promise<number[]> => {
    let probabilities: number[] = []
    await backend.score(policy.parameters, [{ promptLength: prompt.length, tokens: [...prompt, 0] }], (_, __, logits) => {
      const weights = [...logits].map(logit => Math.exp(logit - Math.max(...logits)))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      probabilities = weights.map(weight => weight / total)
    })
    return probabilities
  }

  /** Four groups of single-token answers, drawn from the policy and rewarded for even tokens. */
  const sample = async (policy: TrainedPolicy, seed: number): Promise<LearnerRollout[][]> => {
    const rng = createRng(seed)
    const groups: LearnerRollout[][] = []
    for (const prompt of PROMPTS) {
      const probabilities = await distribution(policy, prompt)
      groups.push(
        Array.from({ length: 16 }, (_, member) => {
          let token = 0
          // The first two answers differ, so that every group has a signal.
          if (member < 2) token = member
          else for (let left = rng.float() - probabilities[0]!; left > 0 && token < probabilities.length - 1; left -= probabilities[token]!) token += 1
          return { promptLength: prompt.length, tokens: [...prompt, token], behaviourLogProbs: [Math.log(probabilities[token]!)], reward: 1 - (token % 2) }
        })
      )
    }
    return groups
  }

  const success = async (policy: TrainedPolicy): Promise<number> => {
    let sum = 0
    for (const prompt of PROMPTS) {
      for (const [token, probability] of (await distribution(policy, prompt)).entries()) if (token % 2 === 0) sum += probability / PROMPTS.length
    }
    return sum
  }

  it('makes rewarded answers likelier, and reports on-policy metrics', async () => {
    const policy = newPolicy()
    const learner = new GrpoLearner(policy, { loss: DEFAULT_LOSS, advantage: 'grpo' })
    const before = await success(policy)
    for (let step = 1; step <= 12; step++) {
      const metrics = await learner.step(await sample(policy, step))
      expect(metrics).toMatchObject({ step, skipped: null, learningRate: 5e-3, maskedFraction: 0, fractionZeroStd: 0, tokensLearnt: 64, tokens: 64 })
      expect(metrics.mismatchKl).toBeCloseTo(0, 6)
      expect(metrics.entropy).toBeGreaterThan(0)
      expect(metrics.entropy).toBeLessThan(Math.log(CONFIG.vocabSize))
      expect(metrics.gradientNorm).toBeGreaterThan(0)
    }
    const after = await success(policy)
    expect(before).toBeLessThan(0.7)
    expect(after).toBeGreaterThan(0.9)
  })

  it('an entropy bonus keeps answers different that are rewarded alike', async () => {
    const learn = async (entropyBonus: number): Promise<{ readonly entropy: number; readonly success: number }> => {
      const policy = newPolicy()
      const learner = new GrpoLearner(policy, { loss: DEFAULT_LOSS, advantage: 'grpo', entropyBonus })
      let entropy = 0
      for (let step = 1; step <= 16; step++) entropy = (await learner.step(await sample(policy, step))).entropy!
      return { entropy, success: await success(policy) }
    }
    const [without, withBonus] = [await learn(0), await learn(0.3)]
    expect(without.success).toBeGreaterThan(0.9)
    expect(withBonus.success).toBeGreaterThan(0.85)
    expect(withBonus.entropy).toBeGreaterThan(without.entropy + 0.1)
  })

  it('learns what was drawn and not what was observed: a rollout of two turns is as good as both of its turns alone', async () => {
    const learnt = async (groups: RolloutGroup[]) => {
      const metrics = await new GrpoLearner(newPolicy(), { loss: DEFAULT_LOSS, advantage: 'grpo' }).step(groups)
      return metrics
    }
    const [said, heard, answered] = [[4, 2], [9, 10, 11], [6, 7]]
    const both = (reward: number, last: number): LearnerRollout => ({ promptLength: 2, tokens: [1, 3, ...said, ...heard, ...answered, last], mask: [1, 1, 0, 0, 0, 1, 1, 1], behaviourLogProbs: [-2, -3, -2, -1, -3], reward })
    const apart = (reward: number, last: number): LearnerRollout[] => [
      { promptLength: 2, tokens: [1, 3, ...said], behaviourLogProbs: [-2, -3], reward },
      { promptLength: 7, tokens: [1, 3, ...said, ...heard, ...answered, last], behaviourLogProbs: [-2, -1, -3], reward }
    ]
    const together = await learnt([[both(1, 8), both(0, 5)]])
    const separate = await learnt([[...apart(1, 8), ...apart(0, 5)]])
    expect(together).toMatchObject({ tokens: 10, tokensLearnt: 10, skipped: null })
    expect(together.loss).toBeCloseTo(separate.loss!, 5)
    expect(together.gradientNorm).toBeCloseTo(separate.gradientNorm!, 4)
    expect(together.entropy).toBeCloseTo(separate.entropy!, 5)
  })

  it('leaves out groups without variance, and does nothing when there is no other', async () => {
    const policy = newPolicy()
    const learner = new GrpoLearner(policy, { loss: DEFAULT_LOSS, advantage: 'grpo' })
    const groups = await sample(policy, 1)
    const equal: RolloutGroup = groups[0]!.map(rollout => ({ ...rollout, reward: 0.5 }))
    const before = policy.state()
    expect(await learner.step([equal, equal])).toMatchObject({ skipped: 'no_signal', reward: 0.5, fractionZeroStd: 1, tokens: 32, tokensLearnt: 0, loss: null, step: 0 })
    expect(policy.state()).toEqual(before)

    const [alone, mixed] = [newPolicy(), newPolicy()]
    const config = { loss: DEFAULT_LOSS, advantage: 'grpo' } as const
    await new GrpoLearner(alone, config).step([groups[1]!])
    const metrics = await new GrpoLearner(mixed, config).step([equal, groups[1]!])
    expect(metrics.fractionZeroStd).toBe(0.5)
    expect(mixed.state()).toEqual(alone.state())
  })

  it('skips a step that is not finite and leaves everything as it was', async () => {
    const policy = newPolicy()
    const learner = new GrpoLearner(policy, { loss: DEFAULT_LOSS, advantage: 'grpo' })
    const groups = await sample(policy, 1)
    await learner.step(groups)
    const before = policy.state()
    const broken = groups.map(group => group.map((rollout, member) => (member === 3 ? { ...rollout, behaviourLogProbs: [NaN] } : rollout)))
    const metrics = await learner.step(broken)
    expect(metrics.skipped).toBe('non_finite')
    expect(policy.state()).toEqual(before)
    expect((await learner.step(groups)).skipped).toBeNull()
  })

  it('continues from a restored state exactly', async () => {
    const config = { loss: DEFAULT_LOSS, advantage: 'dr-grpo' } as const
    const first = newPolicy()
    const groups = await sample(first, 3)
    await new GrpoLearner(first, config).step(groups)
    const saved = first.state()
    const second = newPolicy()
    second.restore(saved)
    await new GrpoLearner(first, config).step(groups)
    await new GrpoLearner(second, config).step(groups)
    expect(second.state()).toEqual(first.state())
    expect(saved.step).toBe(1)
    expect(first.state().parameters).not.toEqual(saved.parameters)
  })

  it('refuses a state of another model without changing anything', () => {
    const policy = newPolicy()
    const before = policy.state()
    const [name] = [...before.parameters.keys()]
    expect(() => policy.restore({ ...before, moments: new Map() })).toThrow('has no tensor')
    const wrong: Tensors = new Map([...before.parameters, [name!, { shape: [1], data: new Float32Array(1) }]])
    expect(() => policy.restore({ ...before, step: 9, parameters: wrong })).toThrow('has 1 elements')
    expect(policy.state()).toEqual(before)
  })

  it('never writes into the tensors it was made from', async () => {
    const weights = randomWeights(CONFIG, 1)
    const adapter = lora === null ? null : initialAdapter(CONFIG, lora, createRng(2))
    const policy = new TrainedPolicy(backend, CONFIG, OPTIMIZER, weights, adapter)
    await supervisedStep(policy, [{ promptLength: 1, tokens: [1, 4, 5] }])
    expect(weights).toEqual(randomWeights(CONFIG, 1))
    expect(adapter).toEqual(lora === null ? null : initialAdapter(CONFIG, lora, createRng(2)))
    expect(policy.step).toBe(1)
  })

  it('fits examples by supervised steps', async () => {
    const policy = newPolicy()
    const examples = [
      { promptLength: 2, tokens: [1, 4, 9, 2] },
      { promptLength: 3, tokens: [1, 4, 5, 11, 12, 2] }
    ]
    const { loss: start, tokens } = await supervisedStep(policy, examples)
    expect(tokens).toBe(5)
    let last = start
    for (let step = 0; step < 60; step++) last = (await supervisedStep(policy, examples)).loss
    expect(last).toBeLessThan(start / 5)
  })
})
