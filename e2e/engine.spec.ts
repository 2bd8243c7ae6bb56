import { fileURLToPath } from 'node:url'
import { expect, test } from '@playwright/test'
import { createServer, type ViteDevServer } from 'vite'
import { LOGIT_TOLERANCE, SCENARIO_MODELS, SLICE_SCENARIOS } from '#shared/testing/slice-scenarios.ts'

/** The slice engine in a module worker of a real browser: the scenarios that also run in Node, on WASM and on WebGPU. */

let server: ViteDevServer

test.beforeAll(async () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  // Its own cache, so that it may run beside another development server.
  server = await createServer({ root, cacheDir: 'node_modules/.vite-e2e-engine', server: { host: '127.0.0.1', port: 0 }, optimizeDeps: { noDiscovery: true }, logLevel: 'warn' })
  await server.listen()
})

test.afterAll(() => server.close())

test.beforeEach(async ({ page }) => {
  await page.goto(`${server.resolvedUrls!.local[0]}e2e/pages/engine.html`)
  await page.waitForFunction(() => 'scenarios' in window)
})

const ALL = SLICE_SCENARIOS.map(scenario => scenario.name)

/** SwiftShader compiles shaders for seconds per session, so WebGPU runs everything on one model and the rest of the operators on another. */
const WEBGPU_SCENARIOS: Readonly<Record<string, readonly string[]>> = {
  'Qwen3, tied': ALL,
  'Llama, untied': ['a padded prefill, then unequal rows step by step']
}

for (const kind of ['wasm', 'webgpu'] as const) {
  for (const [index, { name }] of SCENARIO_MODELS.entries()) {
    const scenarios = kind === 'wasm' ? ALL : WEBGPU_SCENARIOS[name]
    if (scenarios === undefined) continue
    test(`${kind} computes ${name} like the reference`, async ({ page }) => {
      const errors = await page.evaluate(([kind, index, scenarios]) => window.scenarios.errors(kind, index, scenarios), [kind, index, scenarios] as const)
      expect(Object.keys(errors)).toEqual(scenarios)
      for (const [scenario, error] of Object.entries(errors)) expect(error, scenario).toBeLessThan(LOGIT_TOLERANCE)
    })
  }

  test(`${kind} passes the golden self-test`, async ({ page }) => {
    const result = await page.evaluate(kind => window.scenarios.selfTest(kind), kind)
    expect(result).toMatchObject({ ok: true })
  })
}

test('a software GPU is refused unless it is asked for', async ({ page }) => {
  expect(await page.evaluate(() => window.scenarios.refusesSoftwareGpu())).toBe(true)
})
