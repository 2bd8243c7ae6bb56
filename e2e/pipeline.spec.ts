import { fileURLToPath } from 'node:url'
import { expect, test, type Page } from '@playwright/test'
import * as nodeRuntime from 'onnxruntime-node'
import { createServer, type ViteDevServer } from 'vite'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import { toHuggingFaceConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import type { SequenceRequest } from '#shared/pipeline/pipeline-driver.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { rolloutSeed, uniform } from '#shared/verification/committed-randomness.ts'

/** A model cut over workers in Chromium, joined by data channels, against one engine in Node. */

const config = tinyConfig({ layers: 4 })
const model = toHuggingFaceConfig(config)
const lora: LoraConfig = { rank: 2, alpha: 8, targets: ['q_proj', 'up_proj'] }
const WEIGHTS = 'pipeline'
/** By version; version 0 is the base. */
const ADAPTERS = [null, 'first', 'second']
const secret = new Uint8Array(32).fill(9)

let server: ViteDevServer

test.beforeAll(async () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  server = await createServer({ root, cacheDir: 'node_modules/.vite-e2e-pipeline', server: { host: '127.0.0.1', port: 0 }, optimizeDeps: { noDiscovery: true, include: ['simple-peer/simplepeer.min.js'] }, logLevel: 'warn' })
  await server.listen()
})

test.afterAll(() => server.close())

/** @param onWebGpu rows of the stages after the first, which need no second self-test there: on a software GPU each takes as long as all that is generated */
async function openStages(page: Page, cut: readonly number[], onWebGpu?: { readonly knownRows: number }): Promise<void> {
  await page.goto(`${server.resolvedUrls!.local[0]}e2e/pages/pipeline.html`)
  await page.waitForFunction(() => 'pipelines' in window)
  const answers = await page.evaluate(opening => window.pipelines.open(opening), { model, lora, cut, weights: WEIGHTS, engine: onWebGpu === undefined ? 'wasm' : 'webgpu', ...onWebGpu } as const)
  expect(answers.map(({ kind }) => kind), JSON.stringify(answers)).toEqual(cut.slice(1).map(() => 'ready'))
  await page.evaluate(([model, lora]) => window.pipelines.addVersion(model, lora, 0, null), [model, lora] as const)
}

function requestsOf(version: number, prompts: readonly (readonly number[])[], samples: number, maxTokens: number): SequenceRequest[] {
  return prompts.flatMap((prompt, index) =>
    Array.from({ length: samples }, (_, sample) => ({
      key: `${version}/${index}/${sample}`,
      prompt,
      drawn: { tokens: [], logProbs: [] },
      maxTokens,
      seed: rolloutSeed(secret, version * 100 + index, sample),
      temperature: 1,
      version,
      interactive: true
    }))
  )
}

async function aloneInNode(requests: readonly SequenceRequest[]): Promise<Map<string, { tokens: readonly number[]; logProbs: readonly number[]; finish: string }>> {
  const engine = await createOrtSliceEngine({ runtime: nodeRuntime, kind: 'node', config, weights: randomWeights(config, WEIGHTS), lora, sessionOptions: cpuSessionOptions('cpu', 1) })
  const results = new Map()
  for (const version of new Set(requests.map(request => request.version))) {
    const adapter = ADAPTERS[version]!
    await engine.setAdapter(version === 0 ? undefined : randomAdapter(config, lora, adapter))
    const generator = new BatchGenerator({ engine, uniform, maxRows: 64 })
    for (const { key, prompt, maxTokens, seed } of requests.filter(request => request.version === version)) {
      generator.submit({ prompt: Int32Array.from(prompt), samples: [{ id: key, seed: seed! }], maxTokens })
    }
    while (generator.pending > 0) for (const sample of await generator.step()) results.set(sample.id, sample)
  }
  await engine.release()
  return results
}

async function expectAsAlone(page: Page, requests: readonly SequenceRequest[]): Promise<void> {
  const expected = await aloneInNode(requests)
  const results = await page.evaluate(keys => window.pipelines.whole(keys), requests.map(({ key }) => key))
  for (const { key } of requests) {
    const { tokens, logProbs, finish } = expected.get(key)!
    expect(results[key], key).toMatchObject({ tokens, finish, streamed: tokens })
    for (const [index, value] of logProbs.entries()) expect(results[key]!.logProbs[index]).toBeCloseTo(value, 4)
  }
}

const PROMPTS = [[1, 5, 6, 8], [1, 7], [1, 9, 9, 4, 3, 6], [1, 12, 4]]

for (const cut of [[0, 4], [0, 2, 4], [0, 1, 2, 4], [0, 1, 2, 3, 4]]) {
  test(`${cut.length - 1} stages generate what one tab would, with three versions and late requests in between`, async ({ page }) => {
    await openStages(page, cut)
    await page.evaluate(() => window.pipelines.join(1, 3))
    const base = requestsOf(0, PROMPTS, 8, 24)
    await page.evaluate(requests => window.pipelines.request(requests), base)
    for (const version of [1, 2]) {
      await page.evaluate(([model, lora, version, adapter]) => window.pipelines.addVersion(model, lora, version, adapter), [model, lora, version, ADAPTERS[version]!] as const)
      const later = requestsOf(version, PROMPTS, 5, 17)
      await page.evaluate(requests => window.pipelines.request(requests), later)
      await expectAsAlone(page, later)
    }
    await expectAsAlone(page, base)
    expect(await page.evaluate(() => window.pipelines.breaks())).toEqual([])
  })
}

test('sequences under way go on in another pipeline with the same tokens', async ({ page }) => {
  await openStages(page, [0, 2, 4])
  await page.evaluate(() => window.pipelines.join(1, 2))
  const requests = requestsOf(0, PROMPTS, 6, 40)
  await page.evaluate(requests => window.pipelines.request(requests), requests)
  await page.evaluate(key => window.pipelines.hears(key, 3), requests[0]!.key)
  await page.evaluate(() => window.pipelines.join(2, 2))
  await expectAsAlone(page, requests)
})

test('a stage that is sent nonsense gives its place up and says why; another pipeline takes over', async ({ page }) => {
  await openStages(page, [0, 2, 4])
  await page.evaluate(() => window.pipelines.join(1, 2))
  const requests = requestsOf(0, PROMPTS, 6, 40)
  await page.evaluate(requests => window.pipelines.request(requests), requests)
  await page.evaluate(key => window.pipelines.hears(key, 3), requests[0]!.key)
  await page.evaluate(() => window.pipelines.send(1, [1, 1, 0, 0, 0, 9, 9, 9]))
  await expect.poll(() => page.evaluate(() => window.pipelines.breaks())).toEqual(['tab1: a malformed frame: expected 24 to 67108864 bytes'])
  await page.evaluate(() => window.pipelines.join(2, 2))
  await expectAsAlone(page, requests)
})

test('two stages on WebGPU generate what one tab would', async ({ page }) => {
  await openStages(page, [0, 2, 4], { knownRows: 32 })
  await page.evaluate(() => window.pipelines.join(1, 2))
  const base = requestsOf(0, PROMPTS, 2, 6)
  await page.evaluate(requests => window.pipelines.request(requests), base)
  await page.evaluate(([model, lora, adapter]) => window.pipelines.addVersion(model, lora, 1, adapter), [model, lora, ADAPTERS[1]!] as const)
  const later = requestsOf(1, PROMPTS, 2, 6)
  await page.evaluate(requests => window.pipelines.request(requests), later)
  await expectAsAlone(page, [...base, ...later])
})
