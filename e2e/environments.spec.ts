import { fileURLToPath } from 'node:url'
import { expect, test } from '@playwright/test'
import { createServer, type ViteDevServer } from 'vite'
import { ENVIRONMENT_NAMES } from '#shared/environments/environments.ts'
import { playSeededEpisodes } from './pages/seeded-episodes.ts'

/** Of each task and each of its options here. */
const SEEDS = 12

let server: ViteDevServer

test.beforeAll(async () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  server = await createServer({ root, cacheDir: 'node_modules/.vite-e2e-environments', server: { host: '127.0.0.1', port: 0 }, optimizeDeps: { noDiscovery: true }, logLevel: 'warn' })
  await server.listen()
})

test.afterAll(() => server.close())

test('the same seeds give the same episodes in Node and in Chromium: observations, rewards and states of every task', async ({ page }) => {
  await page.goto(`${server.resolvedUrls!.local[0]}e2e/pages/seeded-episodes.html`)
  await page.waitForFunction(() => 'playSeededEpisodes' in window)
  const here = playSeededEpisodes(SEEDS)
  expect(new Set(here.map(({ name }) => name))).toEqual(new Set(ENVIRONMENT_NAMES))
  // Two games may go alike; most do not.
  expect(new Set(here.map(({ states }) => states)).size).toBeGreaterThan(0.9 * here.length)
  expect(here.filter(({ steps }) => steps > 1).length).toBeGreaterThan(SEEDS)
  expect(await page.evaluate(seeds => window.playSeededEpisodes(seeds), SEEDS)).toEqual(here)
})
