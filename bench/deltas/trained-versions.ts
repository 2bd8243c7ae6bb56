/** Versions of the shipped model as a run makes them that trains every parameter: sampled, rewarded and learnt from, one update after the other. */
import * as ort from 'onnxruntime-node'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import { environmentNamed } from '#shared/environments/environments.ts'
import { actionText, promptTokens } from '#shared/environments/turn-tokens.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import { rolloutSeed, uniform } from '#shared/verification/committed-randomness.ts'
import { GrpoLearner, type LearnerRollout, type RolloutGroup } from '#trainer/learner/learner.ts'
import { DEFAULT_LOSS } from '#trainer/learner/losses/loss-config.ts'
import { DEFAULT_OPTIMIZER } from '#trainer/learner/optimizer-config.ts'
import { createOrtBackend } from '#trainer/learner/ort-backend.ts'
import { TrainedPolicy } from '#trainer/learner/trained-policy.ts'
import { readModel } from '#trainer/model-files.ts'

const MODEL = 'public/models/murmuration-tiny'
const PROMPTS = 32
const GROUP = 8
const MAX_TOKENS = 4
const SECRET = new Uint8Array(32)

/** The base model, then what each of `updates` learner steps made of it. The tensors are the caller's. */
export async function* trainedVersions(updates: number, learningRate: number): AsyncGenerator<Tensors> {
  const model = await readModel(MODEL)
  const { config, tokenizer } = model
  const environment = environmentNamed('arithmetic', {})
  const backend = await createOrtBackend(config, null)
  const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config, weights: model.weights, sessionOptions: cpuSessionOptions('cpu', 2) })
  const policy = new TrainedPolicy(backend, config, { ...DEFAULT_OPTIMIZER, learningRate }, model.weights, null)
  const learner = new GrpoLearner(policy, { loss: DEFAULT_LOSS, advantage: 'grpo' })
  yield model.weights
  for (let update = 0; update < updates; update++) {
    const generator = new BatchGenerator({ engine, uniform, maxRows: PROMPTS * GROUP })
    const states = Array.from({ length: PROMPTS }, (_, prompt) => environment.start(environment.sample(`deltas/${update}/${prompt}`, 'train')))
    const prompts = states.map(state => promptTokens(tokenizer, config.bosTokenId, environment.render(state)))
    for (const [prompt, tokens] of prompts.entries()) {
      const samples = Array.from({ length: GROUP }, (_, index) => ({ id: `${prompt}/${index}`, seed: rolloutSeed(SECRET, update * PROMPTS + prompt, index) }))
      generator.submit({ prompt: Int32Array.from(tokens), samples, maxTokens: MAX_TOKENS })
    }
    const groups: LearnerRollout[][] = prompts.map(() => [])
    while (generator.pending > 0) {
      for (const { id, tokens, logProbs } of await generator.step()) {
        const prompt = Number(id.split('/')[0])
        const { reward } = environment.step(states[prompt]!, actionText(tokenizer, config.eosTokenIds, tokens))
        const before = prompts[prompt]!
        groups[prompt]!.push({ promptLength: before.length, tokens: [...before, ...tokens], behaviourLogProbs: [...logProbs], reward })
      }
    }
    await learner.step(groups satisfies RolloutGroup[])
    const { parameters } = policy.state()
    await engine.setWeights(new Map([...parameters].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }])))
    yield parameters
  }
  await engine.release()
  await backend.dispose()
}
