/** A real swarm for tests: the signaling server and the trainer as processes of their own, volunteers as tabs of Chromium. */
import { test as base } from '@playwright/test'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import { readRunFile } from '#trainer/run-file.ts'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { parse, stringify } from 'smol-toml'
import { describeExit, ROOT, type Exit } from '../cli/child-process.ts'
import { FeedWatcher } from '../cli/feed-watcher.ts'
import { buildPage } from '../cli/page-build.ts'
import { Swarm } from '../cli/swarm.ts'
import type { TabOptions } from '../cli/volunteer-tabs.ts'
import { inTime } from './in-time.ts'
import { kill } from './tab-faults.ts'
import { shownBy } from './shown-by.ts'

export interface SwarmOptions {
  readonly peers: number
  readonly seed: number
  /** A run file of `trainer/runs`, without its ending. */
  readonly run?: string
  /** Replaces settings of the run file, table by table. */
  readonly overrides?: Readonly<Record<string, unknown>>
  /** More arguments for the trainer. */
  readonly args?: readonly string[]
  /** Megabytes that each of the peers lends. */
  readonly memory?: number
}

function merge(into: Record<string, unknown>, changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  for (const [key, value] of Object.entries(changes)) {
    const old = into[key]
    const bothTables = [old, value].every(side => typeof side === 'object' && side !== null && !Array.isArray(side))
    into[key] = bothTables ? merge(old as Record<string, unknown>, value as Record<string, unknown>) : value
  }
  return into
}

/** Writes a run file that ships with Murmuration, changed, to `target`. */
export function writeRunFile(target: string, run: string, overrides: Readonly<Record<string, unknown>>): string {
  const source = join(ROOT, 'trainer/runs', `${run}.toml`)
  const settings = parse(readFileSync(source, 'utf8'))
  writeFileSync(target, stringify(merge({ ...settings, model: { path: readRunFile(source).model.path } }, overrides)))
  return target
}

const LINES_SHOWN = 12

export class TestSwarm {
  readonly swarm: Swarm
  readonly feed: FeedWatcher
  readonly logs: string
  readonly runDirectory: string
  readonly reportFile: string
  readonly #browser: Browser

  constructor(swarm: Swarm, browser: Browser, folder: string, run: string) {
    this.swarm = swarm
    this.#browser = browser
    this.logs = join(folder, 'logs')
    this.runDirectory = join(folder, run)
    this.reportFile = join(folder, 'report.json')
    this.feed = new FeedWatcher(swarm.url)
  }

  get url(): string {
    return this.swarm.url
  }

  /** Resolves with the first feed that satisfies the predicate; rejects when the trainer fails before, or it does not come in time. */
  async waitForFeed(predicate: (feed: RunFeed) => boolean): Promise<RunFeed> {
    const trainer = this.swarm.trainer
    const failed = trainer.exited.then(async exit => {
      if (exit.code !== 0) throw describeExit(trainer, exit)
      return this.feed.waitFor(predicate)
    })
    return inTime(Promise.race([this.feed.waitFor(predicate), failed]), () => `a feed; ${this.#stands()}`)
  }

  /** Resolves when the trainer has done all updates; rejects when it ends before. */
  async waitForFinish(): Promise<void> {
    const { trainer } = this.swarm
    await inTime(trainer.waitForEvent(({ event }) => event === 'finished'), () => `the end of the run; ${this.#stands()}`)
    const exit = await inTime(trainer.exited, () => 'the exit of a trainer that has finished')
    if (exit.code !== 0) throw describeExit(trainer, exit)
  }

  #stands(): string {
    const { phase, report, peers = [] } = this.feed.latest ?? {}
    return [`phase ${phase}, updates ${report?.updates}, rejected ${JSON.stringify(report?.rollouts.rejected)}`, ...peers.map(peer => JSON.stringify(peer).slice(0, 300))].join('\n')
  }

  openTab(options: TabOptions = {}): Promise<number> {
    return this.swarm.openTab(this.#browser, () => {}, options)
  }

  /** Ends the tab's process, as a crash does: the page cannot say goodbye. */
  async killTab(tab: number): Promise<void> {
    await kill(this.swarm.tabs.get(tab)!)
    await this.swarm.closeTab(tab)
  }

  async reloadTab(tab: number): Promise<void> {
    await this.swarm.tabs.get(tab)!.reload()
  }

  /** Kills the signaling server without warning and starts another one on the same port. */
  async restartServer(): Promise<void> {
    this.swarm.server.kill()
    await this.swarm.server.exited
    await this.swarm.startServer()
  }

  /** Stops the trainer as Ctrl-C does. */
  stopTrainer(): Promise<Exit> {
    return this.swarm.trainer.stop(120_000)
  }

  /** Goes on with the run that `stopTrainer` left; the tabs are still there. */
  resumeTrainer(args: readonly string[]): void {
    this.swarm.startTrainer(['--resume', this.runDirectory, '--report', this.reportFile, ...args])
  }

  async stop(): Promise<void> {
    this.feed.close()
    await this.swarm.stop()
  }
}

/** For whoever reads of a failure on a machine that is gone: the last feed, what each tab shows, and the end of every log. */
async function describe({ feed, logs, swarm }: TestSwarm): Promise<string> {
  const { phase, report, peers } = feed.latest ?? {}
  const logEnds = readdirSync(logs).map(log => [`-- ${log}`, ...readFileSync(join(logs, log), 'utf8').trimEnd().split('\n').slice(-LINES_SHOWN).map(line => line.slice(0, 200))].join('\n'))
  const tabs = await Promise.all([...swarm.tabs].map(async ([tab, page]) => `-- tab ${tab} shows: ${await shownBy(page)}`))
  return [`phase ${phase}, updates ${report?.updates}`, ...(peers ?? []).map(peer => JSON.stringify(peer)), ...tabs, ...logEnds].join('\n')
}

interface Fixtures {
  readonly launchSwarm: (options: SwarmOptions) => Promise<TestSwarm>
}

/**
 * Playwright's `test` with `launchSwarm`. Everything the swarm writes (logs of the processes, console of each tab, run directory
 * with the seed) is under the test's output folder, kept when the test fails. A tab's uncaught error fails the test.
 */
export const test = base.extend<Fixtures>({
  launchSwarm: async ({ browser }, use, info) => {
    const folder = info.outputPath('swarm')
    const launched: TestSwarm[] = []
    await use(async ({ peers, seed, run = 'reverse', overrides = {}, args = [], memory }) => {
      const place = join(folder, String(launched.length))
      const page = await buildPage(ROOT, line => console.log(line))
      const swarm = new Swarm({ host: '127.0.0.1', port: 0, page, logs: join(place, 'logs') })
      await swarm.startServer()
      const testSwarm = new TestSwarm(swarm, browser, place, run)
      launched.push(testSwarm)
      const runFile = writeRunFile(join(place, 'run.toml'), run, overrides)
      swarm.startTrainer(['--run', runFile, '--run-directory', testSwarm.runDirectory, '--seed', String(seed), '--report', testSwarm.reportFile, ...args])
      await inTime(swarm.trainer.waitForEvent(({ event }) => event === 'run_opened'), () => 'the run to open')
      for (let tab = 0; tab < peers; tab++) await testSwarm.openTab({ ...(memory !== undefined && { memory }) })
      return testSwarm
    })
    if (info.status !== info.expectedStatus) for (const swarm of launched) console.log(await describe(swarm))
    for (const { swarm } of launched) await swarm.stop()
    for (const { feed } of launched) feed.close()
    const uncaught = launched.flatMap(({ swarm }) => swarm.uncaughtErrors)
    if (uncaught.length > 0) throw new Error(`uncaught in a tab: ${uncaught.join('\n')}`)
    if (info.status === info.expectedStatus) rmSync(folder, { recursive: true, force: true })
  }
})
export { expect } from '@playwright/test'
