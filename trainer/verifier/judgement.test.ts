import { fileURLToPath } from 'node:url'
import * as wasmRuntime from 'onnxruntime-web/wasm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { environmentNamed } from '#shared/environments/environments.ts'
import { promptTokens } from '#shared/environments/turn-tokens.ts'
import { initialAdapter, type LoraConfig } from '#shared/model/lora.ts'
import { readModelDirectory, type Model } from '#shared/model/model-directory.ts'
import { PROJECTIONS } from '#shared/model/tensor-names.ts'
import type { Tensor, Tensors } from '#shared/model/tensor.ts'
import type { Rollout } from '#shared/protocol/rollout.ts'
import { createRng } from '#shared/random/rng.ts'
import { rolloutSeed, uniform } from '#shared/verification/committed-randomness.ts'
import { TOKEN_TOLERANCE } from '#shared/verification/token-check.ts'
import type { LearnerBackend } from '../learner/learner-backend.ts'
import { createOrtBackend } from '../learner/ort-backend.ts'
import { modelFiles } from '../model-files.ts'
import { judgeRollouts, type Judge, type JudgementRequest } from './judgement.ts'

wasmRuntime.env.wasm.numThreads = 1

const LORA: LoraConfig = { rank: 8, alpha: 32, targets: PROJECTIONS }
const PROMPTS = 8
const SAMPLES = 16
const MAX_TOKENS = 12
const environment = environmentNamed('reverse')

let model: Model
let backend: LearnerBackend
let engine: SliceEngine
/** Versions 0, 1, 2: an adapter, and what one and two steps of Adam at a learning rate of 1e-3 may make of it. */
let versions: Tensors[]

beforeAll(async () => {
  model = await readModelDirectory(modelFiles(fileURLToPath(new URL('../../public/models/murmuration-tiny', import.meta.url))))
  backend = await createOrtBackend(model.config, LORA, { threads: 1 })
  const { config, weights } = model
  engine = await createOrtSliceEngine({ runtime: wasmRuntime, kind: 'wasm', config, weights, lora: LORA, sessionOptions: cpuSessionOptions('wasm', 1) })
  const first = stepped(initialAdapter(config, LORA, createRng('verifier')), 'first', 30)
  const second = stepped(first, 'second', 1)
  versions = [first, second, stepped(second, 'third', 1)]
})

afterAll(async () => {
  await engine.release()
  await backend.dispose()
})

function stepped(adapter: Tensors, seed: string, steps: number): Map<string, Tensor> {
  const rng = createRng(seed)
  return new Map([...adapter].map(([name, { shape, data }]) => [name, { shape, data: data.map(value => value + steps * 1e-3 * (rng.below(2) === 0 ? 1 : -1)) }]))
}

function judge(): Judge {
  return { model, backend, environment, versions: new Map(versions.map((adapter, version) => [version, { weights: model.weights, adapter }])) }
}

/** What a WASM tab submits that samples with `sampledWith` and says `version`. */
async function generated(version: number, sampledWith = version): Promise<JudgementRequest[]> {
  await engine.setAdapter(versions[sampledWith])
  const generator = new BatchGenerator({ engine, uniform, maxRows: 32 })
  const secret = new Uint8Array(32)
  for (let prompt = 0; prompt < PROMPTS; prompt++) {
    const text = environment.render(environment.start(environment.sample(`test/${prompt}`, 'train')))
    const samples = Array.from({ length: SAMPLES }, (_, index) => ({ id: `${prompt}/${index}`, seed: rolloutSeed(secret, prompt, index) }))
    generator.submit({ prompt: Int32Array.from(promptTokens(model.tokenizer, model.config.bosTokenId, text)), samples, maxTokens: MAX_TOKENS })
  }
  const requests: JudgementRequest[] = []
  while (generator.pending > 0) {
    for (const { id, tokens, logProbs, finish } of await generator.step()) {
      const [prompt, index] = id.split('/').map(Number)
      const rollout: Rollout = { id, version, manifestHash: '0'.repeat(64), prompt: prompt!, index: index!, seed: rolloutSeed(secret, prompt!, index!), tokens: [...tokens], logProbs: [...logProbs], finish }
      requests.push({ rollout, taskSeed: `test/${prompt}` })
    }
  }
  return requests
}

describe('the trusted prefill', () => {
  test('accepts every rollout of an honest WASM tab, with room to spare, and rewards it by the environment', async () => {
    const requests = await generated(1)
    const judged = await judgeRollouts(judge(), requests)
    expect(judged.filter(({ outcome }) => outcome === 'rejected')).toEqual([])
    const differences = judged.flatMap((judgement, index) =>
      judgement.outcome === 'accepted' ? [...judgement.behaviourLogProbs].map((trusted, at) => Math.abs(trusted - requests[index]!.rollout.logProbs[at]!)) : []
    )
    expect(differences.length).toBeGreaterThan(1000)
    expect(Math.max(...differences)).toBeLessThan(TOKEN_TOLERANCE.logProb / 5)
    const rewards = judged.map(judgement => (judgement.outcome === 'accepted' ? judgement.reward : 0))
    expect(Math.max(...rewards)).toBeGreaterThan(0)
  })

  test('rejects what was sampled with weights one step older or newer than it says', async () => {
    for (const sampledWith of [0, 2]) {
      const judged = await judgeRollouts(judge(), await generated(1, sampledWith))
      const caught = judged.filter(({ outcome }) => outcome === 'rejected').length
      expect(caught).toBe(judged.length)
    }
  })

  test('rejects a token that was chosen, even with its true log-prob', async () => {
    const [request] = await generated(1)
    const original = request!.rollout
    const tokens = original.tokens.with(0, original.tokens[0] === 10 ? 11 : 10)
    const prompt = promptTokens(model.tokenizer, model.config.bosTokenId, environment.render(environment.start(environment.sample(request!.taskSeed, 'train'))))
    const sequence = { tokens: [...prompt, ...tokens], promptLength: prompt.length }
    const claimed = await backend.score({ weights: model.weights, adapter: versions[1]! }, [sequence])
    const chosen = { ...request!, rollout: { ...original, tokens, logProbs: [...claimed[0]!.logProbs] } }
    expect((await judgeRollouts(judge(), [chosen]))[0]).toMatchObject({ outcome: 'rejected', reason: 'sampling_mismatch' })
  })

  test('does not judge a version that it does not keep', async () => {
    const [request] = await generated(1)
    const unknown = { ...request!, rollout: { ...request!.rollout, version: 9 } }
    expect((await judgeRollouts(judge(), [unknown]))[0]).toMatchObject({ outcome: 'rejected', reason: 'wrong_version' })
  })
})
