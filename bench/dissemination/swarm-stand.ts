/** A swarm in the lab: a server that is the origin, and tabs in Chromiums of their own behind home uplinks. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChildProcess } from 'node:child_process'
import type { Browser, Page } from 'playwright-core'
import { build } from 'vite'
import { ROOT } from '../../cli/child-process.ts'
import { launchBrowserIn } from '../../lab/lab-browser.ts'
import { openLab, type Lab, type NodeSettings } from '../../lab/lab.ts'
import type { Arrival } from '../pages/dissemination.ts'
import type { SwarmAddresses } from './swarm-server.ts'

const SERVER = 'server'
/** Of the eight neighbours that everybody is given, so many make a swarm. */
const LINKS = 6
/** While pages load and link. */
const UNLIMITED: NodeSettings = { uplinkMbit: 0, downlinkMbit: 0, delayMs: 0, lossPercent: 0, queueBytes: 1_000_000, cut: false }

export interface NetworkCondition {
  readonly originMbit: number
  /** Of each tab; downlinks are unlimited. */
  readonly uplinksMbit: readonly number[]
  readonly roundTripMs: number
  readonly lossPercent: number
}

/** undefined: of a tab that was killed. */
export type Arrivals = readonly (Arrival | undefined)[]

interface Tab {
  readonly node: string
  readonly browser: Browser
  readonly page: Page
}

export class SwarmStand {
  readonly #lab: Lab
  readonly #server: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #addresses: SwarmAddresses
  readonly #page: string
  readonly #tabs: Tab[] = []
  /** They outlive their tabs. */
  readonly #nodes = new Set<string>()
  #versions = 0

  private constructor(lab: Lab, page: string, server: ChildProcess, lines: AsyncIterator<string>, addresses: SwarmAddresses) {
    this.#lab = lab
    this.#page = page
    this.#server = server
    this.#lines = lines
    this.#addresses = addresses
  }

  /** @throws UserError when this machine lacks something for the lab */
  static async start(): Promise<SwarmStand> {
    const lab = await openLab({ nodes: { [SERVER]: UNLIMITED } })
    try {
      const page = mkdtempSync(join(tmpdir(), 'murmuration-dissemination-'))
      await build({ root: ROOT, logLevel: 'error', build: { outDir: page, emptyOutDir: true, rollupOptions: { input: join(ROOT, 'bench/pages/dissemination.html') } } })
      const server = lab.spawn(SERVER, process.execPath, ['--import', 'tsx', fileURLToPath(new URL('swarm-server.ts', import.meta.url)), lab.address(SERVER), page], { stdio: ['pipe', 'pipe', 'inherit'] })
      const lines = createInterface({ input: server.stdout! })[Symbol.asyncIterator]()
      const { value, done } = await lines.next()
      if (done === true) throw new Error('the server ended before it listened')
      return new SwarmStand(lab, page, server, lines, JSON.parse(value) as SwarmAddresses)
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  /** Opens tabs until there are so many, all linked. @param links false: everything comes from the origin */
  async openTabs(count: number, links: boolean): Promise<void> {
    await this.#openNetwork()
    while (this.#tabs.length < count) {
      const { page } = await this.#openTab(`tab-${this.#tabs.length}`)
      await page.evaluate(links => window.dissemination.join(links), links)
      await page.evaluate(() => window.dissemination.arrival(0))
    }
    if (links) await Promise.all(this.#tabs.map(({ page }) => page.evaluate(count => window.dissemination.linked(count), Math.min(LINKS, count - 1))))
  }

  async closeTabs(): Promise<void> {
    await Promise.all(this.#tabs.splice(0).map(({ browser }) => browser.close()))
  }

  /** Publishes the next version. @param killAfterMs one tab's process is ended so long after the announcement */
  async spread(condition: NetworkCondition, killAfterMs?: number): Promise<Arrivals> {
    await this.#shape(condition)
    const version = ++this.#versions
    const arrivals = this.#tabs.map(({ page }) => page.evaluate(version => window.dissemination.arrival(version), version))
    const victim = killAfterMs === undefined ? undefined : this.#tabs.length >> 1
    const settled = Promise.all(arrivals.map((arrival, index) => (index === victim ? arrival.catch(() => undefined) : arrival)))
    this.#server.stdin!.write(`${version}\n`)
    await this.#lines.next()
    if (killAfterMs !== undefined) setTimeout(() => void this.#lab.kill(this.#tabs[victim!]!.node), killAfterMs)
    const result = await settled
    if (victim !== undefined) this.#tabs.splice(victim, 1)
    return result.map((arrival, index) => (index === victim ? undefined : arrival))
  }

  /** As many bytes by WebTorrent, from a seed behind the origin's uplink to as many tabs. */
  async spreadTorrent(bytes: number, condition: NetworkCondition): Promise<Arrivals> {
    await this.#openNetwork()
    const { tracker } = this.#addresses
    const seed = await launchBrowserIn(this.#lab, SERVER, { secureOrigins: [this.#origin] })
    try {
      const seeding = await seed.newPage()
      await seeding.goto(this.#addresses.page)
      await seeding.waitForFunction(() => 'dissemination' in window)
      const torrentFile = await seeding.evaluate(([bytes, tracker]) => window.dissemination.seed(bytes, tracker), [bytes, tracker] as const)
      for (const [index] of condition.uplinksMbit.entries()) await this.#openTab(`tab-${index}`)
      await this.#shape(condition)
      return await Promise.all(this.#tabs.map(({ page }) => page.evaluate(([torrentFile, tracker]) => window.dissemination.download(torrentFile, tracker), [torrentFile, tracker] as const)))
    } finally {
      await seed.close()
      await this.closeTabs()
    }
  }

  async close(): Promise<void> {
    await this.closeTabs()
    await this.#lab.close()
    rmSync(this.#page, { recursive: true })
  }

  get #origin(): string {
    return new URL(this.#addresses.page).origin
  }

  async #openTab(node: string): Promise<Tab> {
    if (!this.#nodes.has(node)) await this.#lab.add(node, UNLIMITED)
    this.#nodes.add(node)
    const browser = await launchBrowserIn(this.#lab, node, { secureOrigins: [this.#origin] })
    const page = await browser.newPage()
    page.on('console', message => {
      if (message.type() === 'error') console.error(`${node}: ${message.text()}`)
    })
    page.on('pageerror', error => console.error(`${node}: ${error.message}`))
    await page.goto(this.#addresses.page)
    await page.waitForFunction(() => 'dissemination' in window)
    const tab = { node, browser, page }
    this.#tabs.push(tab)
    return tab
  }

  async #openNetwork(): Promise<void> {
    for (const node of [SERVER, ...this.#tabs.map(tab => tab.node)]) await this.#lab.change(node, UNLIMITED)
  }

  async #shape({ originMbit, uplinksMbit, roundTripMs, lossPercent }: NetworkCondition): Promise<void> {
    const common = { delayMs: roundTripMs / 4, queueBytes: 256_000 }
    await this.#lab.change(SERVER, { ...common, uplinkMbit: originMbit })
    for (const [index, { node }] of this.#tabs.entries()) await this.#lab.change(node, { ...common, uplinkMbit: uplinksMbit[index]!, lossPercent })
  }
}
