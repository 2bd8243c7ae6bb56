/** What is measured: a signaling server as a process of its own, the shipped model, and tabs of unequal memory in real Chromium. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserServer, type Page } from 'playwright-core'
import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { Child, ROOT } from '../../cli/child-process.ts'
import { CHROMIUM_SWITCHES, resolveChromium } from '../../cli/chromium.ts'
import { buildPage } from '../../cli/page-build.ts'
import { openVolunteerTab } from '../../cli/volunteer-tabs.ts'
import { CoverageWatcher } from '../../e2e/coverage-watcher.ts'
import { cpuSeconds } from '../process-cpu.ts'
import { prefer } from '../process-priority.ts'
import { publishModel } from './served-model.ts'

export interface CpuSeconds {
  readonly tabs: number
  readonly server: number
  readonly clients: number
}

export class ServingStand {
  readonly url: string
  /** Whether the server and this process get the processor before the tabs do: as if they had machines of their own. */
  readonly isServerPreferred: boolean
  readonly coverage: CoverageWatcher
  /** Pipelines that broke since it was cleared: how often from which cause. */
  readonly breaks = new Map<string, number>()
  readonly #broken = new Set<number>()
  readonly #server: Child
  readonly #launched: BrowserServer
  readonly #browser: Browser
  readonly #unpublish: () => Promise<void>
  readonly #tabs: Page[] = []

  static async start(log: (line: string) => void): Promise<ServingStand> {
    const token = randomBytes(32).toString('hex')
    const server = new Child({
      name: 'signaling-server',
      file: 'signaling-server/main.ts',
      args: ['--port', '0', '--page', await buildPage(ROOT, log), '--models', join(ROOT, 'public/models')],
      env: { MURMURATION_TRAINER_TOKEN: token },
      logFile: join(mkdtempSync(join(tmpdir(), 'murmuration-serve-')), 'signaling-server.log')
    })
    const url = String((await server.waitForEvent(({ event }) => event === 'listening'))['url'])
    const unpublish = await publishModel(url, token)
    const launched = await chromium.launchServer({ executablePath: resolveChromium(), args: CHROMIUM_SWITCHES })
    return new ServingStand(url, server, launched, await chromium.connect(launched.wsEndpoint()), unpublish)
  }

  private constructor(url: string, server: Child, launched: BrowserServer, browser: Browser, unpublish: () => Promise<void>) {
    this.url = url
    this.isServerPreferred = [server.pid, process.pid].map(prefer).every(Boolean)
    this.coverage = new CoverageWatcher(url)
    this.#server = server
    this.#launched = launched
    this.#browser = browser
    this.#unpublish = unpublish
    this.coverage.listen(({ breaks }) => {
      for (const { pipeline, cause } of breaks) {
        if (this.#broken.has(pipeline)) continue
        this.#broken.add(pipeline)
        this.breaks.set(cause, (this.breaks.get(cause) ?? 0) + 1)
      }
    })
  }

  /** Opens tabs that lend so many megabytes each. @returns once every layer of every tab is loaded and every pipeline is open */
  async openTabs(megabytes: readonly number[]): Promise<LayerCoverage> {
    const observer = { says: () => undefined, failed: (error: Error) => console.error(error), crashed: () => console.error('a tab crashed') }
    for (const memory of megabytes) this.#tabs.push(await openVolunteerTab(this.#browser, this.url, observer, { memory }))
    return this.#untilSettled()
  }

  /**
   * Reloads the tab that was opened last: its storage has every chunk that it needs.
   * @returns milliseconds from the reload until its layers are loaded, tested and counted on
   */
  async reloadLastTab(): Promise<number> {
    const known = new Set(this.coverage.latest!.hosts.map(({ peer }) => peer))
    const start = performance.now()
    await this.#tabs.at(-1)!.reload()
    await this.coverage.waitFor(({ hosts }) => hosts.some(({ peer, layers, state }) => !known.has(peer) && layers !== null && state === 'ready'))
    const elapsed = performance.now() - start
    await this.#untilSettled()
    return elapsed
  }

  #untilSettled(): Promise<LayerCoverage> {
    return this.coverage.waitFor(
      ({ hosts, pipelines }) => hosts.length === this.#tabs.length && hosts.every(({ layers, state }) => layers === null || state === 'ready') && pipelines.length > 0 && pipelines.every(({ open }) => open)
    )
  }

  /** Milliseconds until no tab has a request in flight any more; it is told a few times in a second. */
  async untilIdle(): Promise<number> {
    const start = performance.now()
    await this.coverage.waitFor(({ hosts, waiting }) => waiting === 0 && hosts.every(({ rows }) => rows === 0))
    return performance.now() - start
  }

  /** Used so far; undefined where the system does not tell. */
  cpu(): CpuSeconds | undefined {
    const tabs = cpuSeconds(this.#launched.process().pid!)
    const server = cpuSeconds(this.#server.pid)
    const { user, system } = process.cpuUsage()
    return tabs === undefined || server === undefined ? undefined : { tabs, server, clients: (user + system) / 1e6 }
  }

  async close(): Promise<void> {
    this.coverage.close()
    await this.#browser.close()
    await this.#launched.close()
    await this.#unpublish()
    await this.#server.stop(5_000)
  }
}
