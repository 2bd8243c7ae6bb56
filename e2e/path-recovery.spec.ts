import { fileURLToPath } from 'node:url'
import { expect, test, type Browser, type Page } from '@playwright/test'
import { createServer, type ViteDevServer } from 'vite'
import { launchBrowserIn } from '../lab/lab-browser.ts'
import { NatLab } from '../lab/nat-lab.ts'
import { natLabLacks } from '../lab/requirements.ts'
import type { Heard } from './pages/hearing.ts'

/** A link whose packets are lost from one moment to the next, as when a router has forgotten who they belong to. */

const HOST = 'tabs'
/** Nobody has it: what the page asks for is answered by the test, so that nothing but the link passes the network. */
const ORIGIN = 'https://tabs.test'
const lacking = natLabLacks()
if (lacking !== undefined) console.warn(`SKIPPED, paths that are lost: ${lacking}`)
test.skip(lacking !== undefined, lacking)

let vite: ViteDevServer
let lab: NatLab
let browser: Browser
let page: Page

test.beforeAll(async () => {
  vite = await createServer({
    root: fileURLToPath(new URL('..', import.meta.url)),
    cacheDir: 'node_modules/.vite-e2e-link',
    server: { host: '127.0.0.1', port: 0, hmr: false },
    optimizeDeps: { noDiscovery: true, include: ['simple-peer/simplepeer.min.js', 'socket.io-client'] },
    logLevel: 'warn'
  })
  await vite.listen()
  lab = await NatLab.open({ hosts: { [HOST]: 'open' } })
  browser = await launchBrowserIn(lab, HOST)
  page = await browser.newPage()
  await page.route(`${ORIGIN}/**`, async route => {
    const response = await fetch(route.request().url().replace(`${ORIGIN}/`, vite.resolvedUrls!.local[0]!))
    await route.fulfill({ status: response.status, headers: Object.fromEntries(response.headers), body: Buffer.from(await response.arrayBuffer()) })
  })
  await page.goto(`${ORIGIN}/e2e/pages/link.html`)
  await page.waitForFunction(() => 'links' in window)
  await lab.run(HOST, 'nft', ['add table ip lost; add chain ip lost packets { type filter hook input priority filter; }'])
})

test.afterAll(async () => {
  await browser?.close()
  await lab?.close()
  await vite?.close()
})

const hears = (end: number, kind: Heard['kind'], count: number): Promise<Heard[]> => page.evaluate(([end, kind, count]) => window.links.hears(end, kind, count), [end, kind, count] as const)

test('is found another path once, with nothing lost; without one it is down', async () => {
  await page.evaluate(() => window.links.open('transferred', 0))
  const before = await page.evaluate(() => window.links.ports(0))
  await lab.run(HOST, 'nft', [`add rule ip lost packets udp dport { ${before.join(', ')} } drop`])
  await page.evaluate(() => window.links.sayAll(0, 20))
  for (const kind of ['message', 'fragment', 'piece'] as const) {
    const heard = (await hears(1, kind, 20)).filter(each => each.kind === kind)
    expect(new Set(heard.map(({ of }) => of))).toEqual(new Set(Array.from({ length: 20 }, (_, of) => of)))
  }
  const after = await page.evaluate(() => window.links.ports(0))
  for (const port of before) expect(after).not.toContain(port)

  await lab.run(HOST, 'nft', ['add rule ip lost packets meta l4proto udp drop'])
  for (const end of [0, 1]) expect((await hears(end, 'down', 1)).map(({ kind }) => kind).filter(kind => kind === 'up' || kind === 'down')).toEqual(['up', 'down'])
})
