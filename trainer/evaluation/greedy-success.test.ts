import * as ort from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import { BatchGenerator, type GeneratedSample } from '#shared/engine/batch-generator.ts'
import { environmentNamed } from '#shared/environments/environments.ts'
import { actionText } from '#shared/environments/turn-tokens.ts'
import { CHARACTER_VOCABULARY_SIZE, characterTokenizer } from '#shared/model/character-tokenizer.ts'
import { randomWeights } from '#shared/model/random-weights.ts'
import { loadTokenizer } from '#shared/model/tokenizer.ts'
import { conversation } from '#shared/testing/conversation.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { heldOutTasks, playGreedily } from './greedy-success.ts'
import { evaluatePolicy } from './policy-evaluation.ts'
import { playEpisodes, type PlayingPolicy } from './play-episodes.ts'

const LIMITS = { turns: 3, maxTokens: 5, rolloutTokens: 64 }
let policy: PlayingPolicy

beforeAll(async () => {
  const config = tinyConfig({ vocabSize: CHARACTER_VOCABULARY_SIZE })
  const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config, weights: randomWeights(config, 3), sessionOptions: cpuSessionOptions('cpu', 1) })
  policy = { engine, tokenizer: loadTokenizer(characterTokenizer().tokenizerJson, 'tokenizer.json') }
})

afterAll(() => policy.engine.release())

async function likeliest(context: readonly number[]): Promise<GeneratedSample> {
  const generator = new BatchGenerator({ engine: policy.engine, uniform: () => 0, maxRows: 1 })
  generator.submit({ prompt: Int32Array.from(context), samples: [{ id: 'only' }], maxTokens: LIMITS.maxTokens })
  for (;;) for (const sample of await generator.step()) return sample
}

describe('held-out tasks', () => {
  test('are distinct, of the held-out split, and the same every time', () => {
    const environment = environmentNamed('arithmetic')
    const tasks = heldOutTasks(environment, 512)
    expect(new Set(tasks.map(task => JSON.stringify(task))).size).toBe(512)
    expect(heldOutTasks(environment, 512)).toEqual(tasks)
    expect(heldOutTasks(environment, 100)).toEqual(tasks.slice(0, 100))
    const trained = new Set(Array.from({ length: 5_000 }, (_, seed) => JSON.stringify(environment.sample(seed, 'train'))))
    expect(tasks.filter(task => trained.has(JSON.stringify(task)))).toEqual([])
  })

  test('are as many as there are', () => {
    const tasks = heldOutTasks(environmentNamed('reverse', { length: 2 }), 512)
    expect(tasks.length).toBeGreaterThan(3)
    expect(tasks.length).toBeLessThan(30)
  })
})

describe('playing greedily', () => {
  const openings = Array.from({ length: 150 }, (_, index) => 'prompt of its own length'.slice(0, 1 + (index % 20)) + index)

  test('answers each task as if it were alone, in the order given', async () => {
    const together = await playGreedily(policy, conversation(1), openings, LIMITS)
    expect(together.map(({ task }) => task)).toEqual(openings)
    expect(new Set(together.map(({ view }) => view)).size).toBeGreaterThan(20)
    for (const index of [0, 77, 149]) {
      const [alone] = await playGreedily(policy, conversation(1), [openings[index]!], LIMITS)
      expect(together[index]).toEqual(alone)
    }
  })

  test('takes as many turns as the environment asks for and adds up their rewards', async () => {
    const { engine, tokenizer } = policy
    const context = [engine.config.bosTokenId, ...tokenizer.encode('start')]
    const said: string[] = []
    for (const turn of [1, 2, 3]) {
      const { tokens } = await likeliest(context)
      said.push(actionText(tokenizer, engine.config.eosTokenIds, tokens))
      context.push(...tokens, ...tokenizer.encode(`${turn}>${said.at(-1)}|`))
    }
    const [played] = await playGreedily(policy, conversation(3), ['start'], LIMITS)
    expect(JSON.parse(played!.view)).toEqual(said)
    expect(played!.reward).toBeCloseTo(1, 12)
    const [cut] = await playGreedily(policy, conversation(9), ['start'], LIMITS)
    expect(cut).toMatchObject({ view: played!.view, success: false, reward: 3 / 9 })
  })

  test('draws with a seed what the seed says, whatever is played beside it, and other seeds draw otherwise', async () => {
    const seeds = Array.from({ length: 8 }, (_, index) => index.toString(16).repeat(64))
    const together = await playEpisodes(policy, conversation(3), seeds.map(seed => ({ task: 'start', seed })), LIMITS)
    const [alone] = await playEpisodes(policy, conversation(3), [{ task: 'start', seed: seeds[3]! }], LIMITS)
    expect(together[3]!.actions).toEqual(alone!.actions)
    expect(new Set(together.map(({ actions }) => JSON.stringify(actions))).size).toBeGreaterThan(4)
  })

  test('counts exactly the tasks that succeeded', async () => {
    const played = await playGreedily(policy, conversation(1), openings, LIMITS)
    const expected = new Map(played.slice(0, 60).map(({ task, view }) => [task, (JSON.parse(view) as string[])[0]!]))
    expect(await evaluatePolicy(policy, LIMITS, { environment: conversation(1, expected), tasks: openings, samples: 0, seed: 0 })).toMatchObject({ greedy: { value: 60 / 150 }, n: 150, sampled: null })
  })
})
