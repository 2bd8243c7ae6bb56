import { randomBytes } from 'node:crypto'
import { expect, test, type Browser, type Locator, type Page } from '@playwright/test'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { NO_ICE_SERVERS, type IceOptions } from '#signaling-server/ice-servers.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { hasCoturn, startCoturn, type Coturn } from '#signaling-server/testing/coturn.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { closeTabs } from './close-tabs.ts'
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

test.afterEach(async ({ browser }) => {
  await closeTabs(browser)
  trainer.close()
  await server.close()
})

async function openSwarm(ice: IceOptions = NO_ICE_SERVERS): Promise<void> {
  const trainerToken = randomBytes(32).toString('hex')
  server = await startSignalingServer({ ice, port: 0, host: '127.0.0.1', page: builtPage, models: 'public/models', trainerToken })
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

const linkTo = (tab: Page, peer: string): Locator => tab.locator(`[data-link="${peer}"]`)

/**
 * Whoever takes a version from the origin, others have it from there by their links: this one, or, where a machine that stood still made
 * them all go to the origin, another.
 */
async function expectPassed(peers: readonly string[]): Promise<void> {
  const passed = (): number => peers.reduce((sum, peer) => sum + (trainer.statuses.get(peer)?.bytesFromPeers ?? 0), 0)
  const before = passed()
  for (let version = 1; passed() === before; version++) {
    await trainer.publish(version)
    await trainer.waitFor(() => peers.every(peer => trainer.statuses.get(peer)?.version === version))
  }
}

async function expectReached(tab: Page, ways: Readonly<Record<string, string>>): Promise<void> {
  await tab.getByRole('button', { name: 'Check what works from here' }).click()
  await expect(tab.locator('[data-way]')).toHaveCount(5)
  for (const [way, reached] of Object.entries(ways)) await expect(tab.locator(`[data-way="${way}"] .chip`)).toHaveText(reached)
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
    const link = linkTo(tab, other)
    await expect(link.locator('.chip')).toHaveText('direct')
    await expect(link).toContainText(/\d ms there and back, \d.* sent, \d.* received/)
    expect(await accessibilityFaults(tab)).toEqual([])
  }
  await expectPassed([first.peer, second.peer])
  // More than the chunks: messages, and what the layers below add.
  await trainer.waitFor(() => {
    const { paths = [], bytesFromPeers = 0 } = trainer.statuses.get(second.peer) ?? {}
    return paths.some(({ bytesReceived }) => bytesReceived > bytesFromPeers)
  })
  await expect.poll(() => trainer.statuses.get(first.peer)!.paths).toMatchObject([{ peer: second.peer, path: 'direct' }])

  await second.tab.context().close()
  await expect(first.tab.getByText('None at the moment.')).toBeVisible()
})

test('a tab whose address is hidden where no relay is offered links to nobody, says so, and gets everything from the server', async ({ browser }) => {
  await openSwarm()
  const open = await openTab(browser)
  const tab = await (await browser.newContext()).newPage()
  await tab.goto(`${server.url}/?engine=wasm`)
  await expect(tab.getByText('can see your IP address')).toBeVisible()
  await tab.getByLabel('Hide my address from other volunteers').focus()
  await tab.keyboard.press('Space')
  await expect(tab.getByText('They do not see your IP address.')).toBeVisible()
  await expectReached(tab, { socket: 'works', direct: 'works', stun: 'not known yet', turn_udp: 'not known yet', turn_tcp: 'not known yet' })
  await tab.reload()
  await expect(tab.getByLabel('Hide my address from other volunteers')).toBeChecked()
  const made = await countConnections(tab)

  await tab.getByRole('button', { name: 'Start helping' }).click()
  await expect(tab.getByText('offers no TURN relay to hide your address behind')).toBeVisible()
  await expect(tab.locator('[data-figure="accepted"] dd')).not.toHaveText('0')
  await expect(tab.locator('.from-origin')).toHaveText(/^\d{3} kB from the server$/)
  await expect(tab.locator('.from-peers')).toHaveText('0 B from other tabs')
  await expect(open.tab.getByText('None at the moment.')).toBeVisible()
  expect(await made()).toBe(0)
  await expectReached(tab, { stun: 'not offered', turn_udp: 'not offered', turn_tcp: 'not offered' })
  expect(await accessibilityFaults(tab)).toEqual([])
})

/** @returns how many WebRTC connections the page has made since */
async function countConnections(tab: Page): Promise<() => Promise<number>> {
  await tab.evaluate(() => {
    Object.assign(window, { made: 0 })
    globalThis.RTCPeerConnection = new Proxy(RTCPeerConnection, {
      construct: (target, parameters) => {
        Object.assign(window, { made: (window as unknown as { made: number }).made + 1 })
        return Reflect.construct(target, parameters) as RTCPeerConnection
      }
    })
  })
  return () => tab.evaluate(() => (window as unknown as { made: number }).made)
}

test.describe('with a TURN server', () => {
  test.skip(!hasCoturn, 'coturn is not installed')
  let coturn: Coturn
  test.beforeEach(async () => {
    coturn = await startCoturn()
  })
  test.afterEach(() => coturn.stop())

  for (const transport of ['udp', 'tcp'] as const) {
    test(`a tab whose address is hidden links by the relay over ${transport} only, and both sides see that`, async ({ browser }) => {
      await openSwarm({ ...coturn.ice, turn: [coturn[transport]] })
      const open = await openTab(browser)
      const hidden = await openTab(browser, '&hideAddress=1')
      await expect(linkTo(hidden.tab, open.peer).locator('.chip')).toHaveText(`TURN relay over ${transport.toUpperCase()}`)
      // To the other tab the relay is what it talks to, by a relay of its own or directly.
      await expect(linkTo(open.tab, hidden.peer).locator('.chip')).toHaveText(/TURN relay/)
      await expectPassed([open.peer, hidden.peer])
      await expect(hidden.tab.getByLabel('Hide my address from other volunteers')).toBeDisabled()
      expect(await accessibilityFaults(hidden.tab)).toEqual([])
    })
  }

  test('the check tells what works from what does not', async ({ browser }) => {
    await openSwarm({ ...coturn.ice, turn: [coturn.tcp, 'turn:127.0.0.1:9?transport=udp'] })
    const { tab } = await openTab(browser)
    await expectReached(tab, { socket: 'works', direct: 'works', stun: 'works', turn_udp: 'does not work', turn_tcp: 'works' })
    await expect(tab.locator('[data-way="turn_udp"]')).toContainText('Allow UDP in the firewall')
  })
})
