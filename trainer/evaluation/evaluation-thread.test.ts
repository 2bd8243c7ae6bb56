import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseDecoderConfig } from '#shared/model/config.ts'
import { zeroAdapter, type LoraConfig } from '#shared/model/lora.ts'
import { randomAdapter } from '#shared/model/random-weights.ts'
import { PROJECTIONS } from '#shared/model/tensor-names.ts'
import { startEvaluationThread, type EvaluationThread } from './evaluation-thread.ts'

const modelDirectory = fileURLToPath(new URL('../../public/models/murmuration-tiny', import.meta.url))
const lora: LoraConfig = { rank: 4, alpha: 32, targets: PROJECTIONS }
const setup = { modelDirectory, lora, environment: { name: 'arithmetic', options: {}, levels: [] }, size: 512, samples: 0, limits: { turns: 1, maxTokens: 4, rolloutTokens: 256 } }
let evaluation: EvaluationThread

beforeAll(async () => {
  evaluation = await startEvaluationThread(setup)
})

afterAll(() => evaluation.close())

test('the shipped model is as weak as its model card says, which leaves reinforcement learning something to do', async () => {
  const { success, n } = await evaluation.evaluate(null)
  expect(n).toBe(512)
  expect(success).toBeGreaterThanOrEqual(0.4)
  expect(success).toBeLessThan(0.5)
  const card = readFileSync(`${modelDirectory}/README.md`, 'utf8')
  expect(Number(/\| arithmetic \| ([\d.]+) % \|/.exec(card)?.[1])).toBeCloseTo(100 * success, 1)
})

test('measures the version that it is given, and the base model again afterwards', async () => {
  const config = parseDecoderConfig(JSON.parse(readFileSync(`${modelDirectory}/config.json`, 'utf8')), 'config.json')
  const base = await evaluation.evaluate(null)
  const broken = await evaluation.evaluate(randomAdapter(config, lora, 1))
  expect(broken.success).toBeLessThan(0.1)
  expect(await evaluation.evaluate(zeroAdapter(config, lora))).toEqual(base)
})

test('says in one line what it cannot use', async () => {
  await expect(startEvaluationThread({ ...setup, environment: { name: 'chess', options: {}, levels: [] } })).rejects.toThrow('environment "chess" is unknown')
  await expect(startEvaluationThread({ ...setup, modelDirectory: `${modelDirectory}-missing` })).rejects.toThrow('config.json: missing')
})
