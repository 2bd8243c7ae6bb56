import { fileURLToPath } from 'node:url'
import { expect, test, type Page } from '@playwright/test'
import * as nodeRuntime from 'onnxruntime-node'
import { createServer, type ViteDevServer } from 'vite'
import type { Batch } from '#shared/coordination/lease-queue.ts'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import { toHuggingFaceConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { rolloutSeed, uniform } from '#shared/verification/committed-randomness.ts'

/** The host of a stage worker with the whole model in Chromium, against the same generation in Node. */

const config = tinyConfig()
const model = toHuggingFaceConfig(config)
const lora: LoraConfig = { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj', 'down_proj'] }
const secret = new Uint8Array(32).fill(9)
const MANIFEST_HASH = 'ab'.repeat(32)

let server: ViteDevServer

test.beforeAll(async () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  server = await createServer({ root, cacheDir: 'node_modules/.vite-e2e-worker', server: { host: '127.0.0.1', port: 0 }, optimizeDeps: { noDiscovery: true }, logLevel: 'warn' })
  await server.listen()
})

test.afterAll(() => server.close())

const PROMPTS = [[1, 5, 6, 8], [1, 7]]

function batchOf(id: number, samples: number, maxTokens: number, promptTokens: readonly (readonly number[])[] = PROMPTS): Batch {
  const prompts = promptTokens.map((tokens, prompt) => ({
    lease: 'l0-0',
    prompt,
    tokens,
    samples: Array.from({ length: samples }, (_, index) => ({ index, seed: rolloutSeed(secret, prompt, index) }))
  }))
  return { id, version: 0, manifestHash: MANIFEST_HASH, maxTokens, expires: Number.MAX_SAFE_INTEGER, prompts }
}

async function openWorker(page: Page, engine: 'wasm' | 'webgpu' = 'wasm'): Promise<void> {
  await page.goto(`${server.resolvedUrls!.local[0]}e2e/pages/engine-host.html`)
  await page.waitForFunction(() => 'engineHost' in window)
  const answer = await page.evaluate(([model, lora, engine]) => window.engineHost.load(model, lora, 'worker', { only: engine, allowSoftwareAdapter: true, threads: 1 }), [model, lora, engine] as const)
  expect(answer, JSON.stringify(answer)).toMatchObject({ kind: 'ready', engine })
}

/** What Node generates for the batch, by rollout id. */
async function generateInNode(batch: Batch, adapter: string | null): Promise<Map<string, { tokens: readonly number[]; logProbs: readonly number[]; finish: string }>> {
  const engine = await createOrtSliceEngine({ runtime: nodeRuntime, kind: 'node', config, weights: randomWeights(config, 'worker'), lora, sessionOptions: cpuSessionOptions('cpu', 1) })
  await engine.setAdapter(adapter === null ? undefined : randomAdapter(config, lora, adapter))
  const generator = new BatchGenerator({ engine, uniform, maxRows: 64 })
  for (const { prompt, tokens, samples } of batch.prompts) {
    generator.submit({ prompt: Int32Array.from(tokens), samples: samples.map(({ index, seed }) => ({ id: `${prompt}/${index}`, seed })), maxTokens: batch.maxTokens })
  }
  const results = new Map()
  while (generator.pending > 0) for (const sample of await generator.step()) results.set(sample.id, sample)
  await engine.release()
  return results
}

/** By every adapter a batch of two prompts, of which some samples end early and others do not. */
async function expectSameAsNode(page: Page, adapters: readonly (string | null)[], samples: number, maxTokens: number, prompts = PROMPTS): Promise<void> {
  for (const [number, adapter] of adapters.entries()) {
    const batch = { ...batchOf(number + 1, samples, maxTokens, prompts), version: number }
    const rollouts = await page.evaluate(
      ([model, lora, adapter, batch]) => {
        window.engineHost.addVersion(model, lora, adapter)
        window.engineHost.generate(batch)
        return window.engineHost.whole(batch.id)
      },
      [model, lora, adapter, batch] as const
    )
    const expected = await generateInNode(batch, adapter)
    expect(rollouts).toHaveLength(2 * samples)
    expect(new Set(rollouts.map(({ rollout }) => rollout.finish))).toEqual(new Set(['stop', 'length']))
    for (const { lease, rollout } of rollouts) {
      const same = expected.get(rollout.id)!
      expect(rollout.tokens).toEqual(same.tokens)
      for (const [t, logProb] of rollout.logProbs.entries()) expect(logProb).toBeCloseTo(same.logProbs[t]!, 4)
      expect({ lease, version: rollout.version, manifestHash: rollout.manifestHash, finish: rollout.finish, id: rollout.id }).toEqual({
        lease: 'l0-0',
        version: number,
        manifestHash: MANIFEST_HASH,
        finish: same.finish,
        id: `${rollout.prompt}/${rollout.index}`
      })
      expect(rollout.seed).toBe(rolloutSeed(secret, rollout.prompt, rollout.index))
    }
  }
}

test('a tab generates the tokens of the committed seeds, the same as Node, for every adapter', async ({ page }) => {
  await openWorker(page)
  await expectSameAsNode(page, [null, 'first', 'second', null], 20, 24)
})

/** On a software GPU a step takes a good part of a second, however many tokens it reads: so few are drawn, and most of a long sequence is its prompt. */
test('and so it does on WebGPU', async ({ page }) => {
  await openWorker(page, 'webgpu')
  const long = Array.from({ length: 30 }, (_, position) => (position === 0 ? config.bosTokenId : 3 + ((5 * position) % 20)))
  await expectSameAsNode(page, [null, 'first'], 8, 6, [PROMPTS[0]!, long])
})

test('held, it stands still; released, it finishes; abandoned work is not reported, nor that of a dropped version', async ({ page }) => {
  await openWorker(page)
  await page.evaluate(([model, lora]) => window.engineHost.addVersion(model, lora, null), [model, lora] as const)
  const [batch, dropped, after] = [batchOf(1, 20, 40), batchOf(2, 20, 40), batchOf(3, 20, 24)]
  const held = await page.evaluate(batch => {
    window.engineHost.hold()
    window.engineHost.generate(batch)
    return new Promise<number>(resolve => setTimeout(() => resolve(window.engineHost.finished(batch.id).length), 500))
  }, batch)
  expect(held).toBe(0)
  const released = await page.evaluate(batch => {
    window.engineHost.release()
    return window.engineHost.whole(batch.id)
  }, batch)
  expect(released).toHaveLength(40)
  const rest = await page.evaluate(
    async ([dropped, after]) => {
      window.engineHost.hold()
      window.engineHost.generate(dropped)
      window.engineHost.abandon()
      window.engineHost.release()
      window.engineHost.generate(after)
      const whole = await window.engineHost.whole(after.id)
      return { dropped: window.engineHost.finished(dropped.id).length, ended: window.engineHost.hasEnded(dropped.id), after: whole.length }
    },
    [dropped, after] as const
  )
  expect(rest).toEqual({ dropped: 0, ended: false, after: 40 })
  const forgotten = await page.evaluate(
    async ([model, lora, lost, after]) => {
      const version = window.engineHost.addVersion(model, lora, null)
      window.engineHost.generate({ ...lost, version })
      window.engineHost.dropVersion(version)
      window.engineHost.generate(after)
      const whole = await window.engineHost.whole(after.id)
      return { ended: window.engineHost.hasEnded(lost.id), after: whole.length }
    },
    [model, lora, batchOf(4, 20, 40), batchOf(5, 20, 24)] as const
  )
  expect(forgotten).toEqual({ ended: false, after: 40 })
})

test('what goes wrong while loading ends the worker with a reason', async ({ page }) => {
  await page.goto(`${server.resolvedUrls!.local[0]}e2e/pages/engine-host.html`)
  await page.waitForFunction(() => 'engineHost' in window)
  const load = page.evaluate(([model, lora]) => window.engineHost.load({ ...model, model_type: 'mamba' }, lora, 'worker', { only: 'wasm', allowSoftwareAdapter: false, threads: 1 }), [model, lora] as const)
  await expect(load).rejects.toThrow(/mamba/)
})
