/** The benchmark's page in a Chromium of its own, served by a development server. */
import { chromium, type Browser, type BrowserServer, type Page } from 'playwright-core'
import { createServer, type ViteDevServer } from 'vite'
import { CHROMIUM_SWITCHES, resolveChromium } from '../../cli/chromium.ts'
import { ROOT } from '../../cli/child-process.ts'
import { toHuggingFaceConfig, type DecoderConfig } from '#shared/model/config.ts'
import type { PipelineLoad, PipelineOpening, PipelineRecovery, PipelineThroughput } from '../pages/pipeline.ts'
import { cpuSeconds } from '../process-cpu.ts'

export interface MeasuredLoad extends PipelineThroughput {
  /** Of the whole browser; undefined where the system does not tell. */
  readonly cpuSeconds: number | undefined
}

export class PipelineSession {
  readonly #server: ViteDevServer
  readonly #browserServer: BrowserServer
  readonly #browser: Browser

  private constructor(server: ViteDevServer, browserServer: BrowserServer, browser: Browser) {
    this.#server = server
    this.#browserServer = browserServer
    this.#browser = browser
  }

  static async start(): Promise<PipelineSession> {
    const server = await createServer({
      root: ROOT,
      cacheDir: 'node_modules/.vite-bench-pipeline',
      server: { host: '127.0.0.1', port: 0 },
      optimizeDeps: { noDiscovery: true, include: ['simple-peer/simplepeer.min.js'] },
      logLevel: 'warn'
    })
    await server.listen()
    const browserServer = await chromium.launchServer({ executablePath: resolveChromium(), args: CHROMIUM_SWITCHES })
    return new PipelineSession(server, browserServer, await chromium.connect(browserServer.wsEndpoint()))
  }

  /** A page with so many stages; several may be open, and measure one after the other. */
  async open(model: DecoderConfig, opening: Omit<PipelineOpening, 'model'>): Promise<PipelinePage> {
    const page = await (await this.#browser.newContext()).newPage()
    await page.goto(`${this.#server.resolvedUrls!.local[0]}bench/pages/pipeline.html`)
    await page.waitForFunction(() => 'pipelineBench' in window)
    await page.evaluate(opening => window.pipelineBench.open(opening), { ...opening, model: toHuggingFaceConfig(model) })
    return new PipelinePage(page, this.#browserServer.process().pid!)
  }

  async close(): Promise<void> {
    await this.#browserServer.close()
    await this.#server.close()
  }
}

export class PipelinePage {
  readonly #page: Page
  readonly #browserPid: number

  constructor(page: Page, browserPid: number) {
    this.#page = page
    this.#browserPid = browserPid
  }

  async measure(load: PipelineLoad): Promise<MeasuredLoad> {
    const before = cpuSeconds(this.#browserPid)
    const throughput = await this.#page.evaluate(load => window.pipelineBench.measure(load), load)
    const after = cpuSeconds(this.#browserPid)
    return { ...throughput, cpuSeconds: before === undefined || after === undefined ? undefined : after - before }
  }

  recover(load: PipelineLoad): Promise<PipelineRecovery> {
    return this.#page.evaluate(load => window.pipelineBench.recover(load), load)
  }

  close(): Promise<void> {
    return this.#page.context().close()
  }
}
