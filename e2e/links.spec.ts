import { randomBytes } from 'node:crypto'
import { expect, test, type Browser, type Page } from '@playwright/test'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { startSignalingServer, type SignalingServer, type SignalingServerOptions } from '#signaling-server/server.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { LeasingTrainer } from './leasing-trainer.ts'
import { accessibilityFaults } from './page-faults.ts'

/** Which way two tabs take to each other, and what their people see of it. */

const config = tinyConfig({ hiddenSize: 64, intermediateSize: 128, headDim: 16 })

let builtPage: string
let server: SignalingServer
let trainer: LeasingTrainer

test.beforeAll(async () => {
  builtPage = await buildPage(ROOT, () => {})
})

test.afterEach(async () => {
  trainer.close()
  await server.close()
})

async function openSwarm(options: Pick<SignalingServerOptions, 'iceServers'> = {}): Promise<void> {
  const trainerToken = randomBytes(32).toString('hex')
  server = await startSignalingServer({ ...options, port: 0, host: '127.0.0.1', page: builtPage, models: 'public/models', trainerToken })
  trainer = new LeasingTrainer(server.url, trainerToken, 'links-test', config, { rank: 4, alpha: 8, targets: ['q_proj'] })
  await trainer.open()
  await trainer.publish(0)
}

/** A tab with a storage of its own, that has generated. @returns its page and its peer id */
async function openTab(browser: Browser, query = ''): Promise<{ tab: Page; peer: string }> {
  const known = new Set(trainer.delivered.keys())
  const tab = await (await browser.newContext()).newPage()
  await tab.goto(`${server.url}/?autostart=1&engine=wasm${query}`)
  const isNew = (): string | undefined => [...trainer.delivered.keys()].find(peer => !known.has(peer))
  await trainer.waitFor(() => isNew() !== undefined)
  return { tab, peer: isNew()! }
}

test('two tabs that link show each other, the way between them, its time and its bytes', async ({ browser }) => {
  await openSwarm()
  const first = await openTab(browser)
  await expect(first.tab.getByRole('heading', { name: 'Links to other tabs' })).toBeVisible()
  await expect(first.tab.getByText('None at the moment.')).toBeVisible()
  const second = await openTab(browser)
  for (const [{ tab }, other] of [
    [first, second.peer],
    [second, first.peer]
  ] as const) {
    const link = tab.locator(`[data-link="${other}"]`)
    await expect(link.locator('.chip')).toHaveText('direct')
    await expect(link).toContainText(/\d ms there and back, \d.* sent, \d.* received/)
    expect(await accessibilityFaults(tab)).toEqual([])
  }
  await trainer.waitFor(() => trainer.statuses.get(second.peer)?.paths?.some(({ bytesReceived }) => bytesReceived > 200_000) === true)
  expect(trainer.statuses.get(first.peer)!.paths).toMatchObject([{ peer: second.peer, path: 'direct' }])

  await second.tab.context().close()
  await expect(first.tab.getByText('None at the moment.')).toBeVisible()
})
