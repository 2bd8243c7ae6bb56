import * as ort from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { environmentNamed } from '#shared/environments/environments.ts'
import { CHARACTER_VOCABULARY_SIZE, characterTokenizer } from '#shared/model/character-tokenizer.ts'
import { randomWeights } from '#shared/model/random-weights.ts'
import { loadTokenizer } from '#shared/model/tokenizer.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { greedySuccess, heldOutTasks, playGreedily, type GreedyPolicy } from './greedy-success.ts'

const MAX_TOKENS = 5
let policy: GreedyPolicy

beforeAll(async () => {
  const config = tinyConfig({ vocabSize: CHARACTER_VOCABULARY_SIZE })
  const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config, weights: randomWeights(config, 3), sessionOptions: cpuSessionOptions('cpu', 1) })
  policy = { engine, tokenizer: loadTokenizer(characterTokenizer().tokenizerJson, 'tokenizer.json') }
})

afterAll(() => policy.engine.release())

interface Conversation {
  readonly opening: string
  readonly said: readonly string[]
}

/** Every answer is quoted in the next prompt; a task succeeds when its last answer is the one expected. */
function conversation(turns: number, expected: ReadonlyMap<string, string> = new Map()): Environment<string, Conversation> {
  return {
    name: 'conversation',
    sample: seed => `seed ${seed}`,
    start: opening => ({ opening, said: [] }),
    render: ({ opening, said }) => [opening, ...said].join('|'),
    step: (state, action) => {
      const said = [...state.said, action]
      return { state: { ...state, said }, done: said.length === turns, reward: 1 / turns, info: { success: expected.get(state.opening) === action } }
    },
    view: ({ said }) => JSON.stringify(said)
  }
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
    const together = await playGreedily(policy, conversation(1), openings, MAX_TOKENS)
    expect(together.map(({ task }) => task)).toEqual(openings)
    expect(new Set(together.map(({ view }) => view)).size).toBeGreaterThan(20)
    for (const index of [0, 77, 149]) {
      const [alone] = await playGreedily(policy, conversation(1), [openings[index]!], MAX_TOKENS)
      expect(together[index]).toEqual(alone)
    }
  })

  test('takes as many turns as the environment asks for and adds up their rewards', async () => {
    const [first] = await playGreedily(policy, conversation(1), ['start'], MAX_TOKENS)
    const [third] = await playGreedily(policy, conversation(3), ['start'], MAX_TOKENS)
    const said = JSON.parse(third!.view) as string[]
    expect(said).toHaveLength(3)
    expect(said[0]).toBe((JSON.parse(first!.view) as string[])[0])
    const [second] = await playGreedily(policy, conversation(1), [`start|${said[0]}`], MAX_TOKENS)
    expect(JSON.parse(second!.view)).toEqual([said[1]])
    expect(third!.reward).toBeCloseTo(1, 12)
  })

  test('counts exactly the tasks that succeeded', async () => {
    const played = await playGreedily(policy, conversation(1), openings, MAX_TOKENS)
    const expected = new Map(played.slice(0, 60).map(({ task, view }) => [task, (JSON.parse(view) as string[])[0]!]))
    expect(await greedySuccess(policy, conversation(1, expected), openings, MAX_TOKENS)).toEqual({ success: 60 / 150, n: 150 })
  })
})
