import { randomBytes } from 'node:crypto'
import { expect, test, type Browser, type BrowserContext, type Locator, type Page } from '@playwright/test'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { formatBytes } from '#web-worker-app/presentation/format.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { closeTabs } from './close-tabs.ts'
import { LeasingTrainer } from './leasing-trainer.ts'
import { accessibilityFaults } from './page-faults.ts'
import { beforeWorker } from './tab-faults.ts'

/** What a tab keeps in its browser, under whose control, and what becomes of it when the browser keeps nothing. */

/** Layers of some 170 kB: enough chunks to stop in the middle of. */
const config = tinyConfig({ hiddenSize: 64, intermediateSize: 128, headDim: 16 })
const lora = { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'gate_proj'] } as const

let builtPage: string
let server: SignalingServer
let trainer: LeasingTrainer

test.beforeAll(async () => {
  builtPage = await buildPage(ROOT, () => {})
})

test.beforeEach(async () => {
  const trainerToken = randomBytes(32).toString('hex')
  server = await startSignalingServer({ port: 0, host: '127.0.0.1', page: builtPage, models: 'public/models', trainerToken })
  trainer = new LeasingTrainer(server.url, trainerToken, 'storage-test', config, { ...lora, targets: [...lora.targets] })
  await trainer.open()
  await trainer.publish(0)
})

test.afterEach(async ({ browser }) => {
  await closeTabs(browser)
  trainer.close()
  await server.close()
})

const status = (tab: Page): Locator => tab.locator('.tab-status')
const notice = (tab: Page): Locator => tab.locator('.storage .notice:not(.calm)')
const used = (tab: Page): Locator => tab.locator('[data-stored="used"]')

/** A tab whose person presses the button. */
async function startTab(context: BrowserContext, prepare: (tab: Page) => Promise<void> = () => Promise.resolve(), query = ''): Promise<Page> {
  const tab = await context.newPage()
  await prepare(tab)
  await tab.goto(`${server.url}/?engine=wasm${query}`)
  await tab.getByRole('button', { name: 'Start helping' }).click()
  return tab
}

/** Waits until the tab has generated with this version. */
async function generates(tab: Page, version = 0): Promise<void> {
  await expect(tab.locator('[data-figure="version"] dd')).toHaveText(String(version))
  await expect(tab.locator('[data-figure="accepted"] dd')).not.toHaveText('0')
}

const databases = (tab: Page): Promise<(string | undefined)[]> => tab.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name))

async function setCap(tab: Page, label: string): Promise<void> {
  await tab.getByLabel('Keep at most').selectOption({ label })
}

test('nothing is stored before the start; a lower cap frees space at once in all tabs, and is remembered', async ({ browser }) => {
  const context = await browser.newContext()
  const watching = await context.newPage()
  await watching.goto(server.url)
  await expect(used(watching)).toHaveText('0 B of at most 2.0 GB')
  expect(await databases(watching)).toEqual([])

  const tab = await startTab(context)
  await generates(tab)
  await expect(used(tab)).toHaveText(/^\d{3} kB of at most 2\.0 GB$/)
  await expect(tab.locator('[data-stored="base"]')).toHaveText(/^\d{3} kB of it is base model$/)
  await expect(used(watching)).toHaveText((await used(tab).textContent())!)

  await setCap(watching, 'nothing, use memory only')
  for (const page of [watching, tab]) await expect(used(page)).toHaveText('0 B of at most 0 B')
  await expect(notice(tab)).toContainText('Nothing is stored, as you chose.')
  await trainer.publish(1)
  await generates(tab, 1)
  await expect(used(tab)).toHaveText('0 B of at most 0 B')
  expect(await accessibilityFaults(tab)).toEqual([])
  await tab.reload()
  await expect(tab.getByLabel('Keep at most')).toHaveValue('0')
})

test('the address of a page may set its cap, which is nobody’s preference', async ({ browser }) => {
  const context = await browser.newContext()
  const tab = await startTab(context, undefined, '&storage=0')
  await generates(tab)
  await expect(tab.getByLabel('Keep at most')).toBeDisabled()
  await expect(used(tab)).toHaveText('0 B of at most 0 B')
  await tab.goto(server.url)
  await expect(used(tab)).toHaveText('0 B of at most 2.0 GB')
})

test('a tab that is reloaded in mid-transfer fetches nothing again that it had verified', async ({ browser }) => {
  const context = await browser.newContext()
  const asked: string[] = []
  const answered = new Map<string, number>()
  let allowed = 3
  await context.route('**/chunks/*', async route => {
    const hash = route.request().url().split('/').at(-1)!
    asked.push(hash)
    // Until the page is reloaded, which ends the request.
    if (allowed-- <= 0) return
    const response = await route.fetch()
    answered.set(hash, (await response.body()).length)
    await route.fulfill({ response })
  })
  const bytesAnswered = (): number => [...answered.values()].reduce((sum, bytes) => sum + bytes, 0)
  const tab = await startTab(context)
  await expect.poll(() => asked.length).toBeGreaterThan(3)
  await expect.poll(() => answered.size).toBe(3)
  await expect(used(tab)).toHaveText(`${formatBytes(bytesAnswered())} of at most 2.0 GB`)

  const before = new Set(answered.keys())
  answered.clear()
  asked.length = 0
  allowed = Infinity
  await tab.reload()
  await tab.getByRole('button', { name: 'Start helping' }).click()
  await generates(tab)
  expect(asked.length).toBeGreaterThan(0)
  expect(asked.filter(hash => before.has(hash))).toEqual([])
  await expect(tab.locator('.from-origin')).toHaveText(`${formatBytes(bytesAnswered())} from the server`)
})

test('with a full disk a tab goes on in memory, and says so', async ({ browser }) => {
  const tab = await startTab(await browser.newContext(), async page => {
    const session = await page.context().newCDPSession(page)
    await session.send('Storage.overrideQuotaForOrigin', { origin: server.url, quotaSize: 1 })
  })
  await generates(tab)
  await expect(notice(tab)).toContainText('The browser has no more space for this site.')
  await trainer.publish(1)
  await generates(tab, 1)
})

test('where the browser refuses its database a tab goes on in memory, and says so before it starts', async ({ browser }) => {
  const context = await browser.newContext()
  const refuse = `Object.assign(IDBFactory.prototype, {
    open: () => { throw new DOMException('refused by the test', 'SecurityError') },
    databases: () => Promise.reject(new DOMException('refused by the test', 'SecurityError'))
  })`
  const tab = await context.newPage()
  await tab.addInitScript(refuse)
  await beforeWorker(tab, 'network-worker', refuse)
  await tab.goto(`${server.url}/?engine=wasm`)
  await expect(notice(tab)).toContainText('This browser keeps nothing for this site')
  await tab.getByRole('button', { name: 'Start helping' }).click()
  await generates(tab)
  await expect(notice(tab)).toContainText('This browser keeps nothing for this site')
})

test('a tab whose storage the browser deletes goes on in memory, says so, and stores again when it is started again', async ({ browser }) => {
  const context = await browser.newContext()
  const tab = await startTab(context)
  await generates(tab)
  const session = await context.newCDPSession(tab)
  await session.send('Storage.clearDataForOrigin', { origin: server.url, storageTypes: 'all' })
  await expect(notice(tab)).toContainText('What was stored was deleted while this tab used it.')
  await trainer.publish(1)
  await generates(tab, 1)
  await tab.getByRole('button', { name: 'Stop' }).click()
  await tab.getByRole('button', { name: 'Start again' }).click()
  await expect(notice(tab)).toHaveCount(0)
  await expect(used(tab)).toHaveText(/^\d{3} kB/)
})

async function openDeletion(browser: Browser): Promise<{ tab: Page; other: Page }> {
  const context = await browser.newContext()
  const tab = await startTab(context)
  const other = await startTab(context)
  for (const page of [tab, other]) await generates(page)
  await tab.getByRole('button', { name: 'Delete everything…' }).focus()
  await tab.keyboard.press('Enter')
  await expect(tab.getByRole('dialog')).toContainText(/deletes the \d{3} kB of model files/)
  return { tab, other }
}

test('one button deletes everything, while two tabs run: the one stops, the other goes on in memory', async ({ browser }) => {
  const { tab, other } = await openDeletion(browser)
  expect(await accessibilityFaults(tab)).toEqual([])
  await tab.getByRole('dialog').getByRole('button', { name: 'Delete everything' }).click()
  await expect(tab.getByText('Deleted. This site keeps nothing')).toBeVisible()
  await expect(status(tab)).toHaveAttribute('data-reason', 'user_stopped')
  await expect(notice(other)).toContainText('What was stored was deleted while this tab used it.')
  await trainer.publish(1)
  await generates(other, 1)
  for (const page of [tab, other]) await expect(used(page)).toHaveText('0 B of at most 2.0 GB')
  expect(await databases(tab)).toEqual([])

  await tab.getByRole('button', { name: 'Start again' }).click()
  await generates(tab, 1)
  await expect(used(tab)).toHaveText(/^\d{3} kB/)
})

test('nothing is deleted without a yes', async ({ browser }) => {
  const { tab } = await openDeletion(browser)
  await tab.keyboard.press('Escape')
  await expect(tab.getByRole('dialog')).toHaveCount(0)
  await expect(tab.getByRole('button', { name: 'Delete everything…' })).toBeFocused()
  await expect(used(tab)).toHaveText(/^\d{3} kB/)
})
