import { expect, test } from 'vitest'
import { environmentNamed } from '#shared/environments/environments.ts'
import { BOS_TOKEN_ID, CHARACTER_VOCABULARY_SIZE, characterTokenizer, EOS_TOKEN_ID, PAD_TOKEN_ID } from '#shared/model/character-tokenizer.ts'
import { loadTokenizer } from '#shared/model/tokenizer.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { DEFAULT_OPTIMIZER } from '#trainer/learner/optimizer-config.ts'
import { warmStart, type WarmStartProgress, type WarmStartSettings } from './supervised-warm-start.ts'

const ids = { bosTokenId: BOS_TOKEN_ID, padTokenId: PAD_TOKEN_ID, eosTokenIds: [EOS_TOKEN_ID] }

function settings(overrides: Partial<WarmStartSettings> = {}): WarmStartSettings {
  return {
    config: tinyConfig({ vocabSize: CHARACTER_VOCABULARY_SIZE, tiedEmbeddings: false, ...ids }),
    tokenizer: loadTokenizer(characterTokenizer().tokenizerJson, 'tokenizer.json'),
    seed: 1,
    tasks: [
      { environment: environmentNamed('arithmetic', { largestOperand: 9, operations: ['-'] }), share: 0.8, maxTokens: 3, untilSuccess: 0.2 },
      { environment: environmentNamed('reverse', { length: 2 }), share: 0.2, maxTokens: 3 }
    ],
    batch: 16,
    optimizer: { ...DEFAULT_OPTIMIZER, learningRate: 1e-2 },
    measureEvery: 5,
    heldOut: 64,
    maxSteps: 400,
    ...overrides
  }
}

/** The same tasks, the first of them known well enough at another success. */
function until(untilSuccess: number): WarmStartSettings['tasks'] {
  const [first, ...others] = settings().tasks
  return [{ ...first!, untilSuccess }, ...others]
}

async function run(overrides: Partial<WarmStartSettings> = {}): Promise<{ reports: WarmStartProgress[]; weights: string }> {
  const reports: WarmStartProgress[] = []
  const { weights, last } = await warmStart(settings(overrides), progress => reports.push(progress))
  expect(reports.at(-1)).toEqual(last)
  return { reports, weights: JSON.stringify([...weights].map(([name, { data }]) => [name, Buffer.from(data.buffer).toString('base64')])) }
}

test('ends at the first measurement that reaches the success asked for, and then measures every task', async () => {
  const { reports } = await run()
  const firstTask = reports.map(({ measured }) => measured[0]!.success)
  expect(firstTask.at(-1)).toBeGreaterThanOrEqual(0.2)
  expect(firstTask.slice(0, -1).filter(success => success >= 0.2)).toEqual([])
  expect(reports.at(-1)!.measured.map(({ task }) => task)).toEqual(['arithmetic', 'reverse'])
  expect(reports.map(({ step }) => step)).toEqual(reports.map((_, index) => 5 * (index + 1)))
  expect(reports.at(-1)!.loss).toBeLessThan(reports[0]!.loss)
})

test('gives bit for bit the same weights for a seed, and others for another', async () => {
  const once = await run({ tasks: until(0.05) })
  expect((await run({ tasks: until(0.05) })).weights).toBe(once.weights)
  expect((await run({ tasks: until(0.05), seed: 2 })).weights).not.toBe(once.weights)
})

test('says so when the steps are used up', async () => {
  await expect(run({ tasks: until(1), maxSteps: 5 })).rejects.toThrow('no success of arithmetic 1 within 5 steps')
})

test('goes on until every task is known well enough, and measures only those that are not', async () => {
  const [sums, words] = until(0.2)
  const { reports } = await run({ tasks: [{ ...sums!, share: 0.5 }, { ...words!, share: 0.5, untilSuccess: 0.3 }] })
  const reached = (task: string, success: number): number => reports.findIndex(({ measured }) => measured.some(one => one.task === task && one.success >= success))
  const [sumsAt, wordsAt] = [reached('arithmetic', 0.2), reached('reverse', 0.3)]
  expect(sumsAt).not.toBe(wordsAt)
  expect(Math.max(sumsAt, wordsAt)).toBe(reports.length - 1)
  const first = Math.min(sumsAt, wordsAt)
  expect(reports.slice(0, first + 1).every(({ measured }) => measured.length === 2)).toBe(true)
  expect(reports.slice(first + 1, -1).every(({ measured }) => measured.length === 1)).toBe(true)
})
