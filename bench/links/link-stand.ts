/** Two Chromiums in a lab, and a server for their page: a bulk goes from one to the other over links of any kind. */
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { launchBrowserIn } from '../../lab/lab-browser.ts'
import { openLab, type Lab, type NodeSettings } from '../../lab/lab.ts'
import type { BulkProgress, ContestantName } from '../pages/links.ts'
import type { PageServerAddresses } from './page-server.ts'

/** Between the two tabs; the same for both. */
export interface LinkCondition {
  /** Of each uplink; downlinks are unlimited. */
  readonly mbit: number
  readonly roundTripMs: number
  readonly lossPercent: number
  readonly queueBytes: number
}

export interface BulkMeasurement extends BulkProgress {
  /** Packets that the emulator dropped since the links came up: full queues, and by chance. */
  readonly drops: number
}

export interface PingedBulk extends BulkMeasurement {
  /** Milliseconds of hidden states there and back, before the bulk and during it. */
  readonly idle: readonly number[]
  readonly busy: readonly number[]
}

const NODES = ['sender', 'receiver'] as const
type TabNode = (typeof NODES)[number]
const IDLE_MS = 4000
const LIMIT_SECONDS = 120
const UNLIMITED: NodeSettings = { uplinkMbit: 0, downlinkMbit: 0, delayMs: 0, lossPercent: 0, queueBytes: 1_000_000, cut: false }

export class LinkStand {
  readonly #lab: Lab
  readonly #addresses: PageServerAddresses
  readonly #browsers: Readonly<Record<TabNode, Browser>>

  private constructor(lab: Lab, addresses: PageServerAddresses, browsers: Readonly<Record<TabNode, Browser>>) {
    this.#lab = lab
    this.#addresses = addresses
    this.#browsers = browsers
  }

  /** @throws UserError when this machine lacks something for the lab */
  static async start(): Promise<LinkStand> {
    const lab = await openLab({ nodes: { server: UNLIMITED, sender: UNLIMITED, receiver: UNLIMITED } })
    try {
      const addresses = await servePages(lab)
      const secureOrigins = [new URL(addresses.page).origin]
      const [sender, receiver] = await Promise.all(NODES.map(node => launchBrowserIn(lab, node, { secureOrigins })))
      return new LinkStand(lab, addresses, { sender: sender!, receiver: receiver! })
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  /** Nothing but the bulk. */
  bulk(contestant: ContestantName, condition: LinkCondition, bytes: number): Promise<BulkMeasurement> {
    return this.#withTabs(contestant, condition, bytes, tabs => this.#transfer(tabs))
  }

  /** Hidden states for a while, then the bulk beside them. */
  bulkWithHiddenStates(contestant: ContestantName, condition: LinkCondition, bytes: number): Promise<PingedBulk> {
    return this.#withTabs(contestant, condition, bytes, async tabs => {
      await tabs.sender.evaluate(() => window.linksBench.startPings())
      await new Promise(resolve => setTimeout(resolve, IDLE_MS))
      const idle = await tabs.sender.evaluate(() => window.linksBench.stopPings())
      await tabs.sender.evaluate(() => window.linksBench.startPings())
      const progress = await this.#transfer(tabs)
      const busy = await tabs.sender.evaluate(() => window.linksBench.stopPings())
      return { ...progress, idle, busy }
    })
  }

  async close(): Promise<void> {
    await Promise.all(NODES.map(node => this.#browsers[node].close()))
    await this.#lab.close()
  }

  async #transfer({ sender, receiver }: Readonly<Record<TabNode, Page>>): Promise<BulkMeasurement> {
    const before = await this.#drops()
    const received = receiver.evaluate(limit => window.linksBench.receive(limit), LIMIT_SECONDS)
    await sender.evaluate(() => window.linksBench.send())
    const progress = await received
    return { ...progress, drops: (await this.#drops()) - before }
  }

  async #drops(): Promise<number> {
    const counters = Object.values(await this.#lab.counters())
    return counters.reduce((sum, { lostPackets, uplinkDrops, downlinkDrops }) => sum + lostPackets + uplinkDrops + downlinkDrops, 0)
  }

  /** The pages load and link over a fast network, which then becomes what is measured. */
  async #withTabs<Result>(contestant: ContestantName, condition: LinkCondition, bytes: number, use: (tabs: Readonly<Record<TabNode, Page>>) => Promise<Result>): Promise<Result> {
    for (const node of NODES) await this.#lab.change(node, UNLIMITED)
    const [sender, receiver] = [await this.#openTab('sender'), await this.#openTab('receiver')]
    try {
      const { tracker } = this.#addresses
      await sender.exposeFunction('sendSignal', (data: string) => receiver.evaluate(data => window.linksBench.takeSignal(data), data))
      await receiver.exposeFunction('sendSignal', (data: string) => sender.evaluate(data => window.linksBench.takeSignal(data), data))
      const offer = await sender.evaluate(([contestant, bytes, tracker]) => window.linksBench.openSender(contestant, bytes, tracker), [contestant, bytes, tracker] as const)
      await receiver.evaluate(([contestant, offer, tracker]) => window.linksBench.openReceiver(contestant, offer, tracker), [contestant, offer, tracker] as const)
      await Promise.all([sender, receiver].map(tab => tab.evaluate(() => window.linksBench.linked())))
      const { mbit, roundTripMs, lossPercent, queueBytes } = condition
      for (const node of NODES) await this.#lab.change(node, { uplinkMbit: mbit, delayMs: roundTripMs / 4, lossPercent, queueBytes })
      return await use({ sender, receiver })
    } finally {
      for (const tab of [sender, receiver]) await tab.context().close()
    }
  }

  /** In a context, and so with a storage, of its own. */
  async #openTab(node: TabNode): Promise<Page> {
    const page = await (await this.#browsers[node].newContext()).newPage()
    page.on('console', message => {
      // Ours asks the origin for what comes late; here there is none, and Chromium prints every 404.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) console.error(`${node}: ${message.text()}`)
    })
    page.on('pageerror', error => console.error(`${node}: ${error.message}`))
    await page.goto(this.#addresses.page)
    await page.waitForFunction(() => 'linksBench' in window)
    return page
  }
}

async function servePages(lab: Lab): Promise<PageServerAddresses> {
  const args = ['--import', 'tsx', fileURLToPath(new URL('page-server.ts', import.meta.url)), lab.address('server')]
  const server = lab.spawn('server', process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: server.stdout! })) if (line.startsWith('{')) return JSON.parse(line) as PageServerAddresses
  throw new Error('the page server ended before it listened')
}
