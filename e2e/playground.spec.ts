import { randomBytes } from 'node:crypto'
import { expect, test, type Locator, type Page, type WebSocketRoute } from '@playwright/test'
import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { sampleCoverage, sampleDescription, sampleFeed } from '#web-worker-app/presentation/sample-run.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import type { ServingPort } from '#signaling-server/serving-port.ts'
import { ENGINE_RUN, EngineServingPort } from '#signaling-server/testing/engine-serving-port.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { closeTabs } from './close-tabs.ts'
import { faultsOfLooks, watchForFaults } from './page-faults.ts'
import { ScriptedTrainer } from './scripted-trainer.ts'

/** The playground on the real server and API; the shipped model answers from this process, and what is said about layers is put in on the way. */

const token = randomBytes(32).toString('hex')
const KEY = 'a-key-of-the-playground'
let builtPage: string
let port: EngineServingPort
let endless: EngineServingPort
let server: SignalingServer
let trainer: ScriptedTrainer | undefined

test.beforeAll(async () => {
  builtPage = await buildPage(ROOT, () => {})
  port = await EngineServingPort.start()
  endless = await EngineServingPort.start({ endless: true })
})
test.afterAll(() => Promise.all([port.release(), endless.release()]))

test.afterEach(async ({ browser }) => {
  await closeTabs(browser)
  port.refusal = undefined
  trainer?.close()
  trainer = undefined
  await server.close()
})

async function startServer(serving: ServingPort, apiKeys: readonly string[] = []): Promise<void> {
  server = await startSignalingServer({ port: 0, host: '127.0.0.1', page: builtPage, models: 'public/models', trainerToken: token, serving, apiKeys })
}

async function openRun(): Promise<void> {
  trainer = new ScriptedTrainer(server.url, token)
  await trainer.openRun(sampleDescription)
  trainer.sendFeed(sampleFeed)
}

/** @returns says to the page what a server would say about layers */
async function openPlayground(page: Page): Promise<(coverage: LayerCoverage) => void> {
  let socket: WebSocketRoute | undefined
  await page.routeWebSocket(/\/socket\.io\//, opened => {
    const upstream = opened.connectToServer()
    upstream.onMessage(message => opened.send(message))
    socket = opened
  })
  await page.goto(`${server.url}/playground`)
  await expect(page.locator('.connection')).toHaveAttribute('data-connection', 'online')
  // socket.io's frame of an event: engine.io message, event packet.
  return coverage => socket!.send(`42${JSON.stringify(['layer_coverage', coverage])}`)
}

const answer = (page: Page): Locator => page.getByRole('region', { name: 'Answer', exact: true })
const figure = (page: Page, id: string): Locator => page.locator(`[data-answer-figure="${id}"] dd`)

async function askSum(page: Page): Promise<void> {
  await page.getByLabel('Model').selectOption(`${ENGINE_RUN}@0`)
  await page.getByLabel('Prompt', { exact: true }).fill('37+48=')
  await page.getByLabel('Temperature').fill('0')
  await page.getByRole('button', { name: 'Ask' }).click()
}

/** The sample's newest request, under the name of the page's answer. */
async function coverageOfAnswer(page: Page): Promise<LayerCoverage> {
  const id = await answer(page).getAttribute('data-answer')
  const [newest, ...others] = sampleCoverage.recent
  return { ...sampleCoverage, recent: [{ ...newest!, key: `${id}/0` }, ...others] }
}

test('asks, shows the answer token by token, its figures and the tabs that served it', async ({ page }) => {
  await startServer(port)
  await openRun()
  const faults = watchForFaults(page, server.url)
  const tell = await openPlayground(page)
  await expect(page.getByLabel('Model').locator('option')).toHaveText([`${ENGINE_RUN} (newest: version 7)`, `${ENGINE_RUN}@7`, `${ENGINE_RUN}@0`])
  await askSum(page)
  await expect(answer(page).getByRole('status')).toHaveText('Complete.')
  await expect(page.locator('.answer-text')).toHaveText('085')
  await expect(page.locator('.answer-text .shaded')).toHaveCount(4)
  await expect(figure(page, 'count')).toHaveText('4')
  await expect(figure(page, 'model')).toHaveText(`${ENGINE_RUN}@0`)
  await expect(figure(page, 'first')).toHaveText(/^[\d.]+ m?s$/)
  await page.getByText('Every token in a table').click()
  await expect(page.locator('.token-table tbody th')).toHaveText(['"0"', '"8"', '"5"', '(no text)'])

  await expect(page.locator('[data-chain-sentence]')).toHaveText('The server no longer keeps the path of this answer.')
  tell(await coverageOfAnswer(page))
  await expect(page.locator('[data-stage]')).toHaveText(['stage 1aaaaaalayers 0–14.5 ms per token', 'stage 2bbbbbblayers 2–36.3 ms per tokenrelayed by the server'])
  expect(faults).toEqual([])
})

test('the same seed gives the same answer, by keyboard alone', async ({ page }) => {
  await startServer(port)
  await openRun()
  await openPlayground(page)
  await page.getByRole('button', { name: 'Use a prompt of the run' }).click()
  await expect(page.getByLabel('Prompt', { exact: true })).toHaveValue(sampleFeed.latestRollouts[0]!.prompt)
  const answers: string[] = []
  for (const seed of ['5', '5', '6']) {
    await page.getByLabel('Temperature').fill('2')
    await page.getByLabel('Seed').fill(seed)
    await page.getByLabel('Prompt', { exact: true }).focus()
    const before = await answer(page).getAttribute('data-answer')
    await page.keyboard.press('Control+Enter')
    await expect(answer(page)).not.toHaveAttribute('data-answer', before ?? 'none')
    await expect(answer(page)).toHaveAttribute('data-end', /stop|length/)
    answers.push((await page.locator('.answer-text').textContent())!)
  }
  expect(answers[1]).toBe(answers[0])
  expect(answers[2]).not.toBe(answers[0])
})

test('a person stops an answer, and its place is free at once', async ({ page }) => {
  await startServer(endless)
  await openRun()
  await openPlayground(page)
  await page.getByLabel('Most tokens').fill('200')
  endless.hold()
  await page.getByRole('button', { name: 'Ask' }).click()
  await expect(answer(page).getByRole('status')).toHaveText('Waiting for the first token…')
  await endless.untilSequences(1)
  await page.getByRole('button', { name: 'Stop' }).click()
  await expect(answer(page).getByRole('status')).toHaveText('Stopped by you.')
  await endless.untilSequences(0)
  endless.goOn()
  await page.getByLabel('Most tokens').fill('9')
  await page.getByRole('button', { name: 'Ask' }).click()
  await expect(figure(page, 'count')).toHaveText('9')
})

test('an answer that breaks off keeps what came, and says why', async ({ page }) => {
  await startServer(endless)
  await openRun()
  await openPlayground(page)
  await page.getByLabel('Most tokens').fill('200')
  endless.hold(20)
  await page.getByRole('button', { name: 'Ask' }).click()
  await expect(page.locator('.answer-text .shaded').first()).toBeAttached()
  endless.breakDown({ code: 'layers_missing', missing: [{ layers: { start: 0, end: 4 }, reason: 'absent_peer' }] })
  await expect(answer(page).getByRole('status')).toHaveText('Broken off.')
  await expect(answer(page).getByRole('alert')).toContainText('Layers 0–3 cannot be served: no ready tab holds this part of the model.')
  await expect(page.locator('.answer-text')).not.toBeEmpty()
  endless.goOn()
})

test('says what is missing before anything is asked, and when it is refused', async ({ page }) => {
  await startServer(port)
  await openRun()
  port.refusal = { code: 'layers_missing', missing: [{ layers: { start: 3, end: 4 }, reason: 'no_memory' }] }
  const tell = await openPlayground(page)
  tell({ ...sampleCoverage, pipelines: [], missing: [{ layers: { start: 3, end: 4 }, reason: 'no_memory' }] })
  await expect(page.locator('[data-missing]')).toContainText('Layer 3 cannot be served: the tabs that are here have no memory left')
  await askSum(page)
  await expect(answer(page).getByRole('alert')).toContainText('Part of the model is missing at the moment:')
  await expect(answer(page).getByRole('alert')).toContainText('Layer 3 cannot be served:')
  await page.getByLabel('Prompt', { exact: true }).fill('é')
  port.refusal = undefined
  await page.getByRole('button', { name: 'Ask' }).click()
  await expect(answer(page).getByRole('alert')).toContainText('the model has no token for "é"')
})

test('says that no run is open', async ({ page }) => {
  await startServer({ runs: () => [], open: () => ({ close: () => undefined }) })
  await openPlayground(page)
  await expect(page.getByText('No run is open at the moment.')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Ask' })).toBeDisabled()
})

test('asks for a key where the server wants one', async ({ page }) => {
  await startServer(port, [KEY])
  await openRun()
  await openPlayground(page)
  await expect(page.getByText('This server wants an API key.')).toBeVisible()
  await page.getByLabel('API key').fill(KEY)
  await askSum(page)
  await expect(page.locator('.answer-text')).toHaveText('085')
  await expect(page.getByText('This server wants an API key.')).toHaveCount(0)
})

test('is accessible and fits, in light and dark, on a desk and on a telephone', async ({ page }) => {
  await startServer(endless)
  await openRun()
  const tell = await openPlayground(page)
  expect(await faultsOfLooks(page), 'before').toEqual([])
  await page.getByLabel('Prompt', { exact: true }).fill('37+48=')
  await page.getByLabel('Temperature').fill('1.4')
  await page.getByLabel('Most tokens').fill('60')
  await page.getByRole('button', { name: 'Ask' }).click()
  await expect(answer(page)).toHaveAttribute('data-end', 'length')
  tell({ ...(await coverageOfAnswer(page)), missing: [{ layers: { start: 3, end: 4 }, reason: 'no_memory' }] })
  await expect(page.locator('[data-stage]')).toHaveCount(2)
  await page.getByText('Every token in a table').click()
  expect(await faultsOfLooks(page), 'after').toEqual([])
})
