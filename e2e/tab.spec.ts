import { randomBytes } from 'node:crypto'
import { expect, test, type Browser, type Page, type Worker } from '@playwright/test'
import type { Rollout } from '#shared/protocol/rollout.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { Deferred } from '#trainer/deferred.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { closeTabs } from './close-tabs.ts'
import { LeasingTrainer } from './leasing-trainer.ts'
import { expectSameAsNode } from './node-generation.ts'
import { beforeWorker, kill, makePatient, makeUntransferable } from './tab-faults.ts'

/** Volunteering tabs on the real signaling server: what they fetch, from whom, and what they generate. */

/** Layers of some 170 kB: a dozen pieces each. */
const config = tinyConfig({ hiddenSize: 64, intermediateSize: 128, headDim: 16 })
const lora = { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'gate_proj'] } as const

let page: string
let settings: Omit<Parameters<typeof startSignalingServer>[0], 'port'>
let server: SignalingServer
let trainer: LeasingTrainer

test.beforeAll(async () => {
  page = await buildPage(ROOT, () => {})
})

test.beforeEach(async () => {
  settings = { host: '127.0.0.1', page, models: 'public/models', trainerToken: randomBytes(32).toString('hex') }
  server = await startSignalingServer({ ...settings, port: 0 })
  trainer = new LeasingTrainer(server.url, settings.trainerToken, 'tab-test', config, { ...lora, targets: [...lora.targets] })
  await trainer.open()
  await trainer.publish(0)
})

test.afterEach(async ({ browser }) => {
  await closeTabs(browser)
  trainer.close()
  await server.close()
})

/** A tab with a storage of its own, that starts by itself. @returns its page and its peer id */
async function openTab(browser: Browser, prepare: (page: Page) => Promise<void> = () => Promise.resolve()): Promise<{ tab: Page; peer: string; warnings: string[] }> {
  const known = new Set(trainer.statuses.keys())
  const tab = await (await browser.newContext()).newPage()
  const warnings: string[] = []
  tab.on('console', message => message.type() !== 'info' && warnings.push(message.text()))
  tab.on('pageerror', error => warnings.push(String(error)))
  await prepare(tab)
  await tab.goto(`${server.url}/?autostart=1&engine=wasm`)
  const isNew = (): string | undefined => [...trainer.statuses.keys()].find(peer => !known.has(peer))
  await trainer.waitFor(() => isNew() !== undefined)
  return { tab, peer: isNew()!, warnings }
}

const delivered = (peer: string, version: number): Rollout[] => (trainer.delivered.get(peer) ?? []).filter(rollout => rollout.version === version)

test('tabs generate what Node generates; the second gets its chunks from the first; a new version reaches both from one copy', async ({ browser }) => {
  const first = await openTab(browser, makePatient)
  // A tab says at intervals how it is: rollouts may be here before its word about the engine that made them.
  await trainer.waitFor(() => delivered(first.peer, 0).length >= 64 && trainer.statuses.get(first.peer)?.engine === 'wasm')
  expect(trainer.statuses.get(first.peer)).toMatchObject({ version: 0, bytesFromPeers: 0 })
  expect(trainer.statuses.get(first.peer)!.bytesFromOrigin).toBeGreaterThan(300_000)

  const second = await openTab(browser, makePatient)
  await trainer.waitFor(() => delivered(second.peer, 0).length >= 64 && trainer.statuses.get(second.peer)?.engine === 'wasm')
  const status = trainer.statuses.get(second.peer)!
  expect(status.bytesFromPeers).toBeGreaterThan(300_000)
  expect(status.bytesFromOrigin).toBe(0)
  expect(status.links).toBe(1)

  const before = trainer.statuses.get(first.peer)!.bytesFromOrigin
  const beforeOfSecond = status.bytesFromPeers
  await trainer.publish(1)
  await trainer.waitFor(() => [first, second].every(({ peer }) => delivered(peer, 1).length >= 32 && trainer.statuses.get(peer)!.version === 1))
  // What one takes from the origin, in whatever shares, it gives to the other.
  const after = [first, second].map(({ peer }) => trainer.statuses.get(peer)!)
  const fromOrigin = [after[0]!.bytesFromOrigin - before, after[1]!.bytesFromOrigin]
  const fromOther = [after[0]!.bytesFromPeers, after[1]!.bytesFromPeers - beforeOfSecond]
  expect(fromOrigin).toEqual(fromOther.toReversed())
  expect(fromOrigin[0]! + fromOrigin[1]!).toBeGreaterThan(0)
  for (const { peer } of [first, second]) {
    const hashes = new Set(delivered(peer, 1).map(({ manifestHash }) => manifestHash))
    expect(hashes.size).toBe(1)
    await expectSameAsNode(trainer, [...delivered(peer, 0).slice(0, 64), ...delivered(peer, 1).slice(0, 32)])
  }
  expect([...first.warnings, ...second.warnings]).toEqual([])
})

test('a tab whose browser transfers no data channel gets its chunks from one that does, and passes them on', async ({ browser }) => {
  const first = await openTab(browser)
  await trainer.waitFor(() => delivered(first.peer, 0).length >= 8)
  const second = await openTab(browser, async page => {
    await makePatient(page)
    await makeUntransferable(page)
  })
  await trainer.waitFor(() => delivered(second.peer, 0).length >= 8 && trainer.statuses.get(second.peer)!.bytesFromPeers > 300_000)
  expect(trainer.statuses.get(second.peer)).toMatchObject({ bytesFromOrigin: 0, links: 1 })
  await kill(first.tab)
  const third = await openTab(browser, makePatient)
  await trainer.waitFor(() => delivered(third.peer, 0).length >= 8 && trainer.statuses.get(third.peer)!.bytesFromPeers > 300_000)
  expect(trainer.statuses.get(third.peer)!.bytesFromOrigin).toBe(0)
  expect([...second.warnings, ...third.warnings]).toEqual([])
})

test('what a tab has downloaded and done is still to be seen after it was stopped', async ({ browser }) => {
  trainer.mostOfVersion = Infinity
  const { tab, peer } = await openTab(browser)
  await trainer.waitFor(() => delivered(peer, 0).length >= 32)
  const accepted = tab.locator('[data-figure="accepted"] dd')
  await expect(accepted).not.toHaveText('0')
  const downloaded = (await tab.locator('.from-origin').textContent())!
  await tab.getByRole('button', { name: 'Stop' }).click()
  await expect(tab.locator('.tab-status')).toHaveAttribute('data-reason', 'user_stopped')
  await expect(tab.locator('.from-origin')).toHaveText(downloaded)
  await expect(tab.locator('[data-figure="engine"] dd')).toHaveText('WASM')
  await expect(accepted).not.toHaveText('0')
  await expect(tab.locator('.own-rollouts li').first()).toContainText('Your answer passed every check.')
  await expect(tab.locator('[data-figure="links"]')).toHaveCount(0)

  // Started again it is the same peer, and downloads nothing: what it reports goes on from there.
  const before = trainer.statuses.get(peer)!.bytesFromOrigin
  await tab.getByRole('button', { name: 'Start again' }).click()
  const again = delivered(peer, 0).length
  await trainer.waitFor(() => delivered(peer, 0).length > again && trainer.statuses.get(peer)!.state === 'generating')
  expect(trainer.statuses.get(peer)!.bytesFromOrigin).toBe(before)
})

/** Flips a bit of every piece that the tab sends. Call before the page is loaded. */
async function corruptPieces(page: Page): Promise<void> {
  await beforeWorker(
    page,
    'network-worker',
    `const { send } = RTCDataChannel.prototype
    RTCDataChannel.prototype.send = function (data) {
      if (typeof data !== 'string') new Uint8Array(data.buffer, data.byteOffset)[data.byteLength - 1] ^= 1
      return send.call(this, data)
    }`
  )
}

test('pieces that were changed on the way are refused by name, and the chunks arrive all the same', async ({ browser }) => {
  const corrupting = await openTab(browser, corruptPieces)
  await trainer.waitFor(() => delivered(corrupting.peer, 0).length >= 8)
  const victim = await openTab(browser)
  const refused = (): string[] => victim.warnings.filter(text => text.startsWith(`what came from peer ${corrupting.peer} was refused: hash_mismatch, chunk `))
  // Where the two are linked late the server is asked for everything: then it is the next version that they pass on.
  for (let version = 0; version === 0 || refused().length === 0; version++) {
    if (version > 0) await trainer.publish(version)
    await trainer.waitFor(() => delivered(victim.peer, version).length >= 32)
  }
  await trainer.waitFor(() => trainer.statuses.get(victim.peer)!.bytesFromPeers > 0 && trainer.statuses.get(victim.peer)!.bytesFromOrigin > 300_000)
  await expect.poll(() => corrupting.warnings).toContain(`peer ${victim.peer} refused what this tab sent: hash_mismatch`)
  await expectSameAsNode(trainer, delivered(victim.peer, 0))
})

test('a tab whose worker crashes starts another, and a reloaded tab downloads nothing again', async ({ browser }) => {
  trainer.mostOfVersion = Infinity
  const { tab, peer } = await openTab(browser)
  await trainer.waitFor(() => delivered(peer, 0).length >= 32)
  const crashed = tab.waitForEvent('worker')
  const stageWorkers = (): Worker[] => tab.workers().filter(worker => worker.url().includes('stage-worker'))
  await stageWorkers()[0]!.evaluate(() => {
    setTimeout(() => {
      throw new Error('crashed by the test')
    })
  })
  await crashed
  const before = delivered(peer, 0).length
  await trainer.waitFor(() => delivered(peer, 0).length >= before + 64)
  expect(stageWorkers()).toHaveLength(1)
  await expectSameAsNode(trainer, delivered(peer, 0))

  await tab.reload()
  const next = (): string | undefined => [...trainer.delivered.keys()].find(other => other !== peer)
  await trainer.waitFor(() => next() !== undefined && trainer.statuses.get(next()!)?.version === 0)
  expect(trainer.statuses.get(next()!)).toMatchObject({ bytesFromOrigin: 0, bytesFromPeers: 0 })
  expect(trainer.left).toEqual([peer])
})

test('a server that is away while a tab loads its engine delays it, and does not end it', async ({ browser }) => {
  const failing = ['**/network-worker*', '**/stage-worker*', '**/wasm-engine*', '**/*.wasm']
  const failed: string[] = []
  const { tab, peer } = await openTab(browser, async page => {
    for (const file of failing) {
      await page.route(file, async route => {
        if (failed.includes(file)) return route.continue()
        failed.push(file)
        return route.abort('connectionrefused')
      })
    }
  })
  await expect(tab.getByText('could not be downloaded from the server')).toBeVisible()
  await trainer.waitFor(() => delivered(peer, 0).length >= 8)
  expect(failed.toSorted()).toEqual(failing.toSorted())
})

test('a version that the origin has lost while a tab fetched it is given up for the next one', async ({ browser }) => {
  let isGone: (hash: string) => boolean = () => false
  let refused = 0
  const { peer } = await openTab(browser, async page => {
    await page.route('**/chunks/*', route => {
      if (!isGone(route.request().url().split('/').at(-1)!)) return route.continue()
      refused++
      return route.fulfill({ status: 404 })
    })
  })
  await trainer.waitFor(() => delivered(peer, 0).length >= 8)
  isGone = () => true
  const lost = await trainer.publish(1)
  isGone = hash => lost.includes(hash)
  await expect.poll(() => refused).toBeGreaterThan(0)
  await trainer.publish(2)
  await trainer.waitFor(() => delivered(peer, 2).length >= 8)
  expect(delivered(peer, 1)).toEqual([])
  await expectSameAsNode(trainer, delivered(peer, 2))
})

test('what a tab fetches while the server restarts is of use to it afterwards', async ({ browser }) => {
  const released = new Deferred()
  let isHeld = false
  let held = 0
  const { peer } = await openTab(browser, async page => {
    await page.route('**/chunks/*', async route => {
      if (isHeld) {
        held++
        await released.promise
      }
      await route.continue()
    })
  })
  await trainer.waitFor(() => delivered(peer, 0).length >= 8)
  isHeld = true
  await trainer.publish(1)
  await expect.poll(() => held).toBeGreaterThan(0)

  await server.close()
  server = await startSignalingServer({ ...settings, port: Number(new URL(server.url).port) })
  trainer.connectAgain()
  await trainer.open()
  await trainer.publish(0)
  await trainer.publish(1)
  await trainer.waitFor(() => trainer.statuses.has(peer))
  released.resolve()
  await trainer.waitFor(() => delivered(peer, 1).length >= 8)
  await expectSameAsNode(trainer, delivered(peer, 1))
})

/** Keeps all connections of the page in reach of the test. Call before the page is loaded. */
async function watchConnections(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const made: RTCPeerConnection[] = []
    Object.assign(globalThis, {
      made,
      RTCPeerConnection: class extends RTCPeerConnection {
        constructor(configuration?: RTCConfiguration) {
          super(configuration)
          made.push(this)
        }
      }
    })
  })
}

const connectionStates = (tab: Page): Promise<string[]> => tab.evaluate(() => (globalThis as unknown as { made: RTCPeerConnection[] }).made.map(({ connectionState }) => connectionState))

test('a link outlives the server that made it: drained, away and started again, no tab makes another', async ({ browser }) => {
  const first = await openTab(browser, watchConnections)
  await trainer.waitFor(() => delivered(first.peer, 0).length >= 8)
  const second = await openTab(browser, watchConnections)
  const tabs = [first, second]
  await trainer.waitFor(() => tabs.every(({ peer }) => delivered(peer, 0).length >= 8 && trainer.statuses.get(peer)?.links === 1))

  await server.close()
  for (const { tab } of tabs) await expect(tab.locator('.connection')).toHaveAttribute('data-connection', 'offline')
  for (const { tab } of tabs) await expect.poll(() => connectionStates(tab)).toEqual(['connected'])

  server = await startSignalingServer({ ...settings, port: Number(new URL(server.url).port) })
  trainer.connectAgain()
  await trainer.open()
  for (const version of [0, 1]) await trainer.publish(version)
  await trainer.waitFor(() => tabs.every(({ peer }) => delivered(peer, 1).length >= 8 && trainer.statuses.get(peer)?.links === 1))
  for (const { tab } of tabs) await expect.poll(() => connectionStates(tab)).toEqual(['connected'])
  await expectSameAsNode(trainer, tabs.flatMap(({ peer }) => delivered(peer, 1)))
})

test('a tab that the origin asks to come back later does so, and calls it no failure', async ({ browser }) => {
  let allowedAt = 0
  const early: string[] = []
  const { peer, tab } = await openTab(browser, async page => {
    await page.route('**/chunks/*', async route => {
      allowedAt ||= Date.now() + 900
      if (Date.now() >= allowedAt) return route.continue()
      early.push(route.request().url())
      return route.fulfill({ status: 429, headers: { 'Retry-After': '1' }, json: { kind: 'refused', code: 'too_many_requests' } })
    })
    await page.addInitScript(() => {
      const seen: string[] = []
      Object.assign(globalThis, { seen })
      new MutationObserver(() => seen.push(document.querySelector('.tab-status')?.getAttribute('data-reason') ?? '')).observe(document, { subtree: true, childList: true, attributes: true })
    })
  })
  await trainer.waitFor(() => delivered(peer, 0).length >= 8)
  // Every chunk was asked for once too early, and not again before the second was over.
  expect(early.length).toBeGreaterThan(0)
  expect(new Set(early).size).toBe(early.length)
  const reasons = await tab.evaluate(() => (globalThis as unknown as { seen: string[] }).seen)
  expect(reasons.length).toBeGreaterThan(0)
  expect(reasons).not.toContain('chunks_unreachable')
})
