/** A whole swarm on this machine: signaling server, trainer and volunteer tabs, started and stopped in order. */
import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { Child, ROOT } from './child-process.ts'
import { buildParts } from './part-build.ts'
import { openVolunteerTab, type TabOptions } from './volunteer-tabs.ts'

/** A trainer writes a checkpoint while it stops; the others only close connections. */
const TRAINER_GRACE_MS = 60_000
const SERVER_GRACE_MS = 10_000

export interface SwarmOptions {
  readonly host: string
  readonly port: number
  /** Folder with the built page. */
  readonly page: string
  /** Folder for the logs of all parts. */
  readonly logs: string
  /** More arguments for the signaling server. */
  readonly serverArguments?: readonly string[]
}

/** A server that listens on every address is reached from this machine by the loopback one. */
function reachableAddress(url: string): string {
  const address = new URL(url)
  if (address.hostname === '0.0.0.0') address.hostname = '127.0.0.1'
  if (address.hostname === '[::]') address.hostname = '[::1]'
  return address.origin
}

export class Swarm {
  readonly token: string
  readonly #options: SwarmOptions
  readonly #tabs = new Map<number, Page>()
  #parts: string | undefined
  #server: Child | undefined
  #trainer: Child | undefined
  #url: string | undefined
  #tabsOpened = 0
  readonly #uncaughtErrors: string[] = []

  constructor(options: SwarmOptions) {
    this.#options = options
    this.token = randomBytes(32).toString('hex')
    mkdirSync(options.logs, { recursive: true })
  }

  /** Address of the signaling server. */
  get url(): string {
    if (this.#url === undefined) throw new Error('the server has not been started')
    return this.#url
  }

  get server(): Child {
    if (this.#server === undefined) throw new Error('the server has not been started')
    return this.#server
  }

  get trainer(): Child {
    if (this.#trainer === undefined) throw new Error('the trainer has not been started')
    return this.#trainer
  }

  /** Tabs by the number that `openTab` returned. */
  get tabs(): ReadonlyMap<number, Page> {
    return this.#tabs
  }

  /** Errors that nobody in a tab caught, with their stacks. */
  get uncaughtErrors(): readonly string[] {
    return this.#uncaughtErrors
  }

  /** Starts the server; a restarted one gets the port that the first had. */
  async startServer(): Promise<void> {
    this.#parts = await buildParts(ROOT)
    const port = this.#url === undefined ? this.#options.port : Number(new URL(this.#url).port)
    this.#server = new Child({
      name: 'signaling-server',
      file: join(this.#parts, 'signaling-server/main.js'),
      args: ['--host', this.#options.host, '--port', String(port), '--page', this.#options.page, '--models', join(ROOT, 'public/models'), ...(this.#options.serverArguments ?? [])],
      env: { MURMURATION_TRAINER_TOKEN: this.token },
      logFile: join(this.#options.logs, 'signaling-server.log')
    })
    const listening = await this.#server.waitForEvent(({ event }) => event === 'listening')
    this.#url = reachableAddress(String(listening['url']))
  }

  /** @throws before the server was started */
  startTrainer(args: readonly string[]): void {
    const server = this.url
    this.#trainer = new Child({
      name: 'trainer',
      file: join(this.#parts!, 'trainer/main.js'),
      args: ['--server', server, ...args],
      env: { MURMURATION_TRAINER_TOKEN: this.token },
      logFile: join(this.#options.logs, 'trainer.log')
    })
  }

  /** @returns the tab's number, from 1 on. */
  async openTab(browser: Browser, crashed: (tab: number) => void, options: TabOptions = {}): Promise<number> {
    const tab = ++this.#tabsOpened
    const says = (line: string): void => appendFileSync(join(this.#options.logs, `tab-${tab}.log`), `${line}\n`)
    const failed = (error: Error): void => {
      const text = `tab ${tab}: ${error.stack ?? error.message}`
      this.#uncaughtErrors.push(text)
      says(`uncaught: ${text}`)
    }
    this.#tabs.set(tab, await openVolunteerTab(browser, this.url, { says, failed, crashed: () => crashed(tab) }, options))
    return tab
  }

  /** Closes the tab as a person would: the page may say that it leaves. */
  async closeTab(tab: number): Promise<void> {
    const page = this.#tabs.get(tab)
    this.#tabs.delete(tab)
    await page?.context().close()
  }

  /** Tabs leave, the trainer checkpoints, the server closes. Safe to call when parts have ended already. */
  async stop(): Promise<void> {
    await Promise.all([...this.#tabs.keys()].map(tab => this.closeTab(tab)))
    await this.#trainer?.stop(TRAINER_GRACE_MS)
    await this.#server?.stop(SERVER_GRACE_MS)
  }

  /** Ends everything at once. */
  kill(): void {
    this.#trainer?.kill()
    this.#server?.kill()
  }
}
