import { environmentNamed } from '#shared/environments/environments.ts'
import { readModel } from '#trainer/model-files.ts'
import { readRunFile } from '#trainer/run-file.ts'
import { openRunDirectory } from '#trainer/store/run-directory.ts'
import { Command, Option } from 'commander'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import type { Browser } from 'playwright-core'
import { describeExit, ROOT } from '../child-process.ts'
import { resolveChromium } from '../chromium.ts'
import { FeedWatcher } from '../feed-watcher.ts'
import { addNetworkFlags, networkArguments, type NetworkFlags } from '../network-flags.ts'
import { wholeNumber } from '../number-option.ts'
import { buildPage } from '../page-build.ts'
import { choosePort } from '../port.ts'
import { ProgressView, renderResult } from '../progress.ts'
import { nameRun, readReport } from '../run-directory.ts'
import { waitForStopSignal } from '../stop-signal.ts'
import { Swarm } from '../swarm.ts'
import { PartFailure } from '../part-failure.ts'
import { launchBrowser } from '../volunteer-tabs.ts'

const DEFAULT_RUN_FILE = 'trainer/runs/arithmetic.toml'

interface StartOptions extends NetworkFlags {
  readonly headless: boolean
  readonly peers: number
  readonly memory?: number
  readonly host: string
  readonly port?: number
  readonly run?: string
  readonly runDirectory?: string
  readonly resume?: string
  readonly updates?: number
  readonly seed?: number
  readonly mode?: string
  readonly staleness?: number
  readonly report?: string
}

type End = { readonly kind: 'finished' } | { readonly kind: 'asked' } | { readonly kind: 'failed'; readonly failure: Error }

export function startCommand(finish: (exitCode: number) => void): Command {
  return addNetworkFlags(new Command('start'))
    .description('run everything on this machine: signaling server, trainer and headless volunteer tabs')
    .option('--headless', 'unattended: exit 0 when the updates are done', false)
    .option('--peers <number>', 'headless volunteer tabs to open', wholeNumber(0, 100), 3)
    .option('--memory <megabytes>', 'what each of these tabs lends; with too little for the model they share its layers', wholeNumber(1))
    .option('--updates <number>', "learner steps to do (default: the run file's limit)", wholeNumber(1))
    .option('--seed <number>', "seed of all random numbers (default: the run file's)", wholeNumber(0))
    .option('--run <file>', `run file (default: ${DEFAULT_RUN_FILE})`)
    .addOption(new Option('--mode <mode>', "how sampling and learning alternate (default: the run file's)").choices(['sequential', 'async']))
    .option('--staleness <versions>', "staleness budget S (default: the run file's)", wholeNumber(0, 1023))
    .option('--host <address>', 'address to listen on; 0.0.0.0 lets other machines join', '127.0.0.1')
    .option('--port <number>', 'port; 0: any free one (default: 8787, or any free one when that is taken)', wholeNumber(0, 65_535))
    .option('--report <file>', 'write the report of the run there, as JSON')
    .option('--run-directory <directory>', 'where the run is kept (default: a new folder in runs)')
    .addOption(new Option('--resume <directory>', 'continue the run in this directory').conflicts(['run', 'runDirectory', 'seed', 'mode', 'staleness']))
    .action(async (options: StartOptions) => finish(await start(options)))
}

/** Says what is wrong with the run before anything is built or started; the trainer checks everything again. */
async function checkRun(options: StartOptions): Promise<void> {
  if (options.resume !== undefined) {
    openRunDirectory(options.resume)
    return
  }
  const { model, environment } = readRunFile(options.run ?? join(ROOT, DEFAULT_RUN_FILE))
  environmentNamed(environment.name, environment.options)
  await readModel(model.path)
}

/** A path as people would type it: relative where that is shorter. */
function shownPath(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere.length < path.length ? fromHere : path
}

function resumeCommand(runDirectory: string): string {
  return `npm start -- --resume ${shownPath(runDirectory)}`
}

function trainerArguments(options: StartOptions, runDirectory: string): string[] {
  const runFile = options.run ?? join(ROOT, DEFAULT_RUN_FILE)
  const which = options.resume === undefined ? ['--run', runFile, '--run-directory', runDirectory] : ['--resume', runDirectory]
  const overrides = (['updates', 'seed', 'mode', 'staleness', 'report'] as const).flatMap(name => (options[name] === undefined ? [] : [`--${name}`, String(options[name])]))
  return [...which, ...overrides]
}

/** Resolves when the trainer has done its updates, a part has failed, or somebody asked to stop. */
function waitForEnd(swarm: Swarm, browser: Browser | undefined, stopSignal: Promise<unknown>): Promise<End> {
  const trainerEnds = swarm.trainer.exited.then((exit): End => (exit.code === 0 ? { kind: 'finished' } : { kind: 'failed', failure: describeExit(swarm.trainer, exit) }))
  const serverEnds = swarm.server.exited.then((exit): End => ({ kind: 'failed', failure: describeExit(swarm.server, exit) }))
  const browserEnds = new Promise<End>(resolve => {
    browser?.on('disconnected', () => resolve({ kind: 'failed', failure: new PartFailure('The headless Chromium ended unexpectedly.') }))
  })
  const asked = stopSignal.then((): End => ({ kind: 'asked' }))
  return Promise.race([trainerEnds, serverEnds, browserEnds, asked])
}

/** Opens the tabs as soon as the run can be joined. Resolves only when that fails: `waitForEnd` tells everything else. */
async function openTabs(swarm: Swarm, browser: Browser, { peers, memory }: StartOptions, view: ProgressView): Promise<End> {
  try {
    await swarm.trainer.waitForEvent(({ event }) => event === 'run_opened')
  } catch {
    return new Promise(() => {})
  }
  try {
    for (let tab = 0; tab < peers; tab++) await swarm.openTab(browser, crashed => view.say(`Tab ${crashed} crashed; the others go on.`), { ...(memory !== undefined && { memory }) })
  } catch (error) {
    return { kind: 'failed', failure: new PartFailure(`A volunteer tab could not be opened: ${String(error).split('\n')[0]}`) }
  }
  return new Promise(() => {})
}

/** @returns the exit code. */
async function start(options: StartOptions): Promise<number> {
  await checkRun(options)
  const port = await choosePort(options.host, options.port)
  const newDirectory = join(ROOT, 'runs', nameRun(options.run ?? DEFAULT_RUN_FILE, new Date(), randomBytes(2).toString('hex')))
  const runDirectory = resolve(options.resume ?? options.runDirectory ?? newDirectory)
  const view = new ProgressView(process.stdout)
  if (options.peers > 0) resolveChromium()
  const page = await buildPage(ROOT, line => view.say(line))
  const swarm = new Swarm({ host: options.host, port, page, logs: join(runDirectory, 'logs'), serverArguments: networkArguments(options) })
  const stopSignal = waitForStopSignal(() => swarm.kill())
  process.once('exit', () => swarm.kill())
  let browser: Browser | undefined
  let feed: FeedWatcher | undefined
  try {
    await swarm.startServer()
    swarm.startTrainer(trainerArguments(options, runDirectory))
    feed = new FeedWatcher(swarm.url)
    feed.onFeed(latest => view.show(latest))
    if (options.peers > 0) browser = await launchBrowser()
    view.say(`dashboard  ${new URL('/dashboard', swarm.url).href}`)
    view.say(`volunteer  ${swarm.url}  (open it in a browser to join)`)
    view.say(`run        ${shownPath(runDirectory)}`)
    const ending = waitForEnd(swarm, browser, stopSignal)
    const end = await (browser === undefined ? ending : Promise.race([ending, openTabs(swarm, browser, options, view)]))
    if (end.kind === 'failed') {
      feed.close()
      if (existsSync(join(runDirectory, 'run.json'))) view.say(`Nothing accepted is lost. To go on: ${resumeCommand(runDirectory)}`)
      throw end.failure
    }
    if (end.kind === 'finished') view.say(renderResult(readReport(join(runDirectory, 'report.json'))))
    if (end.kind === 'finished' && !options.headless) {
      view.say('The pages stay open; Ctrl-C stops the server.')
      const serverEnds = swarm.server.exited.then(exit => Promise.reject(describeExit(swarm.server, exit)))
      await Promise.race([stopSignal, serverEnds])
    }
    if (end.kind === 'asked') {
      feed.close()
      view.say('Stopping: the tabs leave, the trainer writes a checkpoint ...')
    }
    await swarm.stop()
    if (end.kind === 'asked') view.say(`Stopped. To go on: ${resumeCommand(runDirectory)}`)
    return 0
  } finally {
    feed?.close()
    await swarm.stop()
    await browser?.close()
  }
}
