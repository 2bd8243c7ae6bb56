import { fileURLToPath } from 'node:url'
import * as wasmRuntime from 'onnxruntime-web/wasm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { environmentNamed } from '#shared/environments/environments.ts'
import { tokensDrawn, type Episode } from '#shared/environments/episode.ts'
import { initialAdapter, type LoraConfig } from '#shared/model/lora.ts'
import { readModelDirectory, type Model } from '#shared/model/model-directory.ts'
import { PROJECTIONS } from '#shared/model/tensor-names.ts'
import type { Tensor, Tensors } from '#shared/model/tensor.ts'
import type { Rollout } from '#shared/protocol/rollout.ts'
import { createRng } from '#shared/random/rng.ts'
import { conversation } from '#shared/testing/conversation.ts'
import { rolloutSeed, uniform } from '#shared/verification/committed-randomness.ts'
import { TOKEN_TOLERANCE } from '#shared/verification/token-check.ts'
import type { LearnerBackend } from '../learner/learner-backend.ts'
import { createOrtBackend } from '../learner/ort-backend.ts'
import { EpisodeSource, type TaskKey } from '../episode-source.ts'
import { modelFiles } from '../model-files.ts'
import { judgeRollouts, type Judge, type JudgementRequest } from './judgement.ts'

wasmRuntime.env.wasm.numThreads = 1

const LORA: LoraConfig = { rank: 8, alpha: 32, targets: PROJECTIONS }
const PROMPTS = 8
const SAMPLES = 16
const MAX_TOKENS = 12
const LIMITS = { turns: 3, maxTokens: MAX_TOKENS, rolloutTokens: 256 }
const SECRET = new Uint8Array(32)

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

function judge(environment: Environment = environmentNamed('reverse')): Judge {
  return { backend, episodes: new EpisodeSource([environment], model, LIMITS), versions: new Map(versions.map((adapter, version) => [version, { weights: model.weights, adapter }])) }
}

function taskOf(prompt: number): TaskKey {
  return { seed: `test/${prompt}`, level: 0 }
}

/** Earlier turns by rollout id. */
type Played = ReadonlyMap<string, readonly (readonly number[])[]>

/** What a WASM tab submits that samples with `sampledWith` and says `version`; of first turns, or of those after the ones that were played. */
interface Sampling {
  readonly sampledWith?: number
  readonly judge?: Judge
  readonly played?: Played
  /** Of the first random number. */
  readonly positionOf?: (before: Episode) => number
}

async function generated(version: number, { sampledWith = version, judge: { episodes } = judge(), played = new Map(), positionOf = tokensDrawn }: Sampling = {}): Promise<JudgementRequest[]> {
  await engine.setAdapter(versions[sampledWith])
  const generator = new BatchGenerator({ engine, uniform, maxRows: 32 })
  for (let prompt = 0; prompt < PROMPTS; prompt++) {
    for (let index = 0; index < SAMPLES; index++) {
      const id = `${prompt}/${index}`
      const before = episodes.replay(taskOf(prompt), played.get(id) ?? [])
      if (before.end === null) generator.submit({ prompt: Int32Array.from(before.tokens), samples: [{ id, seed: rolloutSeed(SECRET, prompt, index), position: positionOf(before) }], maxTokens: MAX_TOKENS })
    }
  }
  const requests: JudgementRequest[] = []
  while (generator.pending > 0) {
    for (const { id, tokens, logProbs, finish } of await generator.step()) {
      const [prompt, index] = id.split('/').map(Number)
      const actions = played.get(id) ?? []
      const rollout: Rollout = { id, version, manifestHash: '0'.repeat(64), prompt: prompt!, index: index!, seed: rolloutSeed(SECRET, prompt!, index!), turn: actions.length, tokens: [...tokens], logProbs: [...logProbs], finish }
      requests.push({ rollout, task: taskOf(prompt!), actions })
    }
  }
  return requests
}

function actionsOf(requests: readonly JudgementRequest[]): Played {
  return new Map(requests.map(({ rollout, actions }) => [rollout.id, [...actions, rollout.tokens]]))
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
      const judged = await judgeRollouts(judge(), await generated(1, { sampledWith }))
      const caught = judged.filter(({ outcome }) => outcome === 'rejected').length
      expect(caught).toBe(judged.length)
    }
  })

  test('rejects a token that was chosen, even with its true log-prob', async () => {
    const [request] = await generated(1)
    const original = request!.rollout
    const tokens = original.tokens.with(0, original.tokens[0] === 10 ? 11 : 10)
    const { tokens: prompt } = judge().episodes.begin(request!.task)
    const sequence = { tokens: [...prompt, ...tokens], promptLength: prompt.length }
    const claimed = await backend.score({ weights: model.weights, adapter: versions[1]! }, [sequence])
    const chosen = { ...request!, rollout: { ...original, tokens, logProbs: [...claimed[0]!.logProbs] } }
    expect((await judgeRollouts(judge(), [chosen]))[0]).toMatchObject({ outcome: 'rejected', reason: 'sampling_mismatch' })
  })

  test('judges a later turn after all that was said before, with the random numbers that follow, at whatever versions', async () => {
    const talking = judge(conversation(3))
    const first = await generated(0, { judge: talking })
    const second = await generated(1, { judge: talking, played: actionsOf(first) })
    const third = await generated(2, { judge: talking, played: actionsOf(second) })
    for (const [turn, requests] of [first, second, third].entries()) {
      const judged = await judgeRollouts(talking, requests)
      expect(judged).toHaveLength(PROMPTS * SAMPLES)
      const shown = ['seed test', '1>', '2>'][turn]!
      for (const judgement of judged) expect(judgement).toMatchObject({ outcome: 'accepted', done: turn === 2, prompt: expect.stringMatching(`^${shown}`) })
    }
  })

  test('refuses a forged later turn: drawn again from the start, after other words, or to another observation', async () => {
    const talking = judge(conversation(3))
    const first = await generated(1, { judge: talking })
    const honest = await generated(1, { judge: talking, played: actionsOf(first) })
    const outcomes = async (requests: readonly JudgementRequest[]) => new Set((await judgeRollouts(talking, requests)).map(judgement => (judgement.outcome === 'accepted' ? 'accepted' : judgement.reason)))
    expect(await outcomes(honest)).toEqual(new Set(['accepted']))
    // The first turn's own random numbers again: the words are those of the model, but not the ones that were due.
    const drawnAgain = await generated(1, { judge: talking, played: actionsOf(first), positionOf: () => 0 })
    expect((await judgeRollouts(talking, drawnAgain)).filter(({ outcome }) => outcome === 'accepted').length).toBeLessThan(drawnAgain.length / 20)
    // What would have followed if the rollout's first word had begun otherwise.
    const other = new Map([...actionsOf(first)].map(([id, [action]]) => [id, [action!.with(0, action![0] === 40 ? 41 : 40)]] as const))
    const elsewhere = (await generated(1, { judge: talking, played: other })).map(request => ({ ...request, actions: actionsOf(first).get(request.rollout.id)! }))
    expect((await judgeRollouts(talking, elsewhere)).filter(({ outcome }) => outcome === 'accepted').length).toBeLessThan(elsewhere.length / 20)
  })

  test('does not judge a version that it does not keep', async () => {
    const [request] = await generated(1)
    const unknown = { ...request!, rollout: { ...request!.rollout, version: 9 } }
    expect((await judgeRollouts(judge(), [unknown]))[0]).toMatchObject({ outcome: 'rejected', reason: 'wrong_version' })
  })
})
