import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { expect, test, type Browser, type Page } from '@playwright/test'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { hasRedis, RedisServer } from '#signaling-server/testing/redis-server.ts'
import { Child, ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { closeTabs } from './close-tabs.ts'
import { LeasingTrainer } from './leasing-trainer.ts'
import { LoadBalancer } from './load-balancer.ts'

/** Two signaling servers behind one Redis, tabs at both: versions travel between them, and links outlive the server that led. Whichever leads, and however often that changes. */

test.setTimeout(180_000)
test.skip(!hasRedis, 'SKIPPED: redis-server is not installed')

const config = tinyConfig()
const lora = { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj'] as const }

interface Tab {
  readonly page: Page
  readonly peer: string
}

/** Connections that the page has made, and those that it has closed. */
const connections = ({ page }: Tab): Promise<{ made: number; closed: number }> => page.evaluate(() => (globalThis as unknown as { connections: { made: number; closed: number } }).connections)

async function openTab(browser: Browser, url: string, trainer: LeasingTrainer): Promise<Tab> {
  const known = new Set(trainer.statuses.keys())
  const page = await (await browser.newContext()).newPage()
  await page.addInitScript(() => {
    const connections = { made: 0, closed: 0 }
    Object.assign(globalThis, {
      connections,
      RTCPeerConnection: class extends RTCPeerConnection {
        constructor(configuration?: RTCConfiguration) {
          super(configuration)
          connections.made++
        }

        override close(): void {
          connections.closed++
          super.close()
        }
      }
    })
  })
  await page.goto(`${url}/?autostart=1&engine=wasm`)
  const isNew = (): string | undefined => [...trainer.statuses.keys()].find(peer => !known.has(peer))
  await trainer.waitFor(() => isNew() !== undefined)
  return { page, peer: isNew()! }
}

let closing: (() => unknown)[] = []

test.afterEach(async ({ browser }) => {
  await closeTabs(browser)
  for (const close of closing.splice(0).toReversed()) await close()
})

test('versions travel between tabs of two servers; the one that leads is killed: links stay as they are, and the next version arrives everywhere', async ({ browser }, info) => {
  const page = await buildPage(ROOT, () => {})
  const redis = await RedisServer.start()
  closing.push(() => redis.stop())
  const token = randomBytes(32).toString('hex')
  mkdirSync(info.outputPath(), { recursive: true })
  const servers = [0, 1].map(
    index => new Child({ name: `signaling-server-${index}`, file: 'signaling-server/main.ts', args: ['--port', '0', '--page', page, '--redis', redis.url], env: { MURMURATION_TRAINER_TOKEN: token }, logFile: info.outputPath(`server-${index}.log`) })
  )
  closing.push(async () => {
    for (const server of servers) server.kill()
    await Promise.all(servers.map(({ exited }) => exited))
  })
  const urls = await Promise.all(servers.map(async server => String((await server.waitForEvent(({ event }) => event === 'listening'))['url'])))
  const ports = urls.map(url => Number(new URL(url).port))
  const [first, second] = await Promise.all([LoadBalancer.open(ports), LoadBalancer.open(ports.toReversed())])
  closing.push(() => Promise.all([first.close(), second.close()]))
  const role = async (url: string): Promise<string> => ((await (await fetch(`${url}/health`)).json()) as { role: string }).role
  const trainer = new LeasingTrainer(second.url, token, 'several-servers', config, { ...lora, targets: [...lora.targets] })
  closing.push(() => trainer.close())
  // They only pass versions on: whoever does not generate is not replaced for being slow.
  trainer.mostRollouts = 0
  await trainer.keep(0)

  const tabs: Tab[] = []
  for (const { url } of [first, second, first, second]) tabs.push(await openTab(browser, url, trainer))
  const everywhere = (version: number): Promise<void> => trainer.waitFor(() => tabs.every(({ peer }) => trainer.statuses.get(peer)?.version === version))
  const allLinked = (): boolean => tabs.every(({ peer }) => trainer.statuses.get(peer)?.links === tabs.length - 1)
  await everywhere(0)
  await trainer.waitFor(allLinked)
  await trainer.keep(1)
  await everywhere(1)
  expect(tabs.reduce((sum, { peer }) => sum + trainer.statuses.get(peer)!.bytesFromPeers, 0)).toBeGreaterThan(0)
  const before = await Promise.all(tabs.map(connections))

  await expect.poll(async () => (await Promise.all(urls.map(role))).toSorted(), { timeout: 60_000 }).toEqual(['following', 'leading'])
  const leading = (await role(urls[0]!)) === 'leading' ? 0 : 1
  const published = trainer.keep(2)
  servers[leading]!.kill()
  await published
  await everywhere(2)
  await trainer.waitFor(allLinked)
  expect(await Promise.all(tabs.map(connections))).toEqual(before)
})
