import { randomBytes } from 'node:crypto'
import type { Browser, Page } from 'playwright-core'
import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import type { LinkStatus, PeerStatus } from '#shared/protocol/peer-status.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { NO_ICE_SERVERS, type IceOptions } from '#signaling-server/ice-servers.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { startCoturn, type Coturn } from '#signaling-server/testing/coturn.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { launchBrowserIn } from '../lab/lab-browser.ts'
import { openNatLab, type NatLab } from '../lab/nat-lab.ts'
import { NAT_KINDS, type NatKind } from '../lab/nat-rules.ts'
import { publishPort } from '../lab/published-port.ts'
import { CoverageWatcher } from './coverage-watcher.ts'
import { LeasingTrainer } from './leasing-trainer.ts'
import { shownBy } from './shown-by.ts'

/** Keys and values of a layer take some four megabytes, the weights a few kilobytes. */
const MODEL = tinyConfig({ layers: 4, contextLength: 256, vocabSize: 211 })
/** Of adapters as large as a few chunks. */
const LORA = { rank: 4, alpha: 8, targets: ['q_proj', 'up_proj'] } as const
/** Megabytes that hold the whole model, or two of its layers. */
const MEMORY = { whole: 1000, half: 9 } as const

/** What a server tells tabs of: STUN and TURN, or STUN only. */
export const OFFERS = ['turn', 'stun'] as const
export type Offer = (typeof OFFERS)[number]

/** What of the model each tab of a pair can hold. */
export type Share = keyof typeof MEMORY

export type KindPair = readonly [NatKind, NatKind]

/**
 * The 15 classes of pairs in three rounds: with the kinds on a circle, neighbours, next neighbours and equals. In a round each kind is twice
 * in a pair, so that two hosts of each kind are enough.
 */
export const ROUNDS: readonly (readonly KindPair[])[] = [0, 1, 2].map(step => NAT_KINDS.map((kind, index) => [kind, NAT_KINDS[(index + step) % NAT_KINDS.length]!]))

const hostOf = (kind: NatKind, side: number): string => `${kind}_${side}`
const HOSTS = NAT_KINDS.flatMap(kind => [0, 1].map(side => [hostOf(kind, side), kind] as const))

interface OfferedServer {
  readonly server: SignalingServer
  readonly token: string
  /** As the lab sees it. */
  readonly origin: string
}

/** Chromiums behind NATs of every kind, two of each, and pairs of tabs in them: every pair is a run of its own. */
export class NatStand {
  readonly #lab: NatLab
  readonly #coturn: Coturn
  readonly #servers: Readonly<Record<Offer, OfferedServer>>
  readonly #browsers: ReadonlyMap<string, Browser>

  private constructor(lab: NatLab, coturn: Coturn, servers: Readonly<Record<Offer, OfferedServer>>, browsers: ReadonlyMap<string, Browser>) {
    this.#lab = lab
    this.#coturn = coturn
    this.#servers = servers
    this.#browsers = browsers
  }

  static async open(): Promise<NatStand> {
    const page = await buildPage(ROOT, () => {})
    const lab = await openNatLab({ hosts: Object.fromEntries(HOSTS) })
    try {
      const coturn = await startCoturnIn(lab)
      const serve = async (ice: IceOptions): Promise<OfferedServer> => {
        const token = randomBytes(32).toString('hex')
        const server = await startSignalingServer({ ice, port: 0, host: '127.0.0.1', page, models: 'public/models', trainerToken: token })
        return { server, token, origin: await publishPort(lab, 'server', server.port) }
      }
      const servers = { turn: await serve(coturn.ice), stun: await serve({ ...NO_ICE_SERVERS, stun: coturn.ice.stun }) }
      const secureOrigins = Object.values(servers).map(({ origin }) => origin)
      const browsers = new Map<string, Browser>()
      for (const [host] of HOSTS) browsers.set(host, await launchBrowserIn(lab, host, { secureOrigins }))
      return new NatStand(lab, coturn, servers, browsers)
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  /** @returns once each of the two tabs has told of itself */
  async openPair(kinds: KindPair, offer: Offer, share: Share): Promise<TabPair> {
    const { server, token, origin } = this.#servers[offer]
    const run = `${offer}-${kinds.join('-')}`.replaceAll('_', '-')
    const trainer = new LeasingTrainer(server.url, token, run, MODEL, LORA)
    trainer.mostRollouts = 0
    await trainer.open()
    await trainer.publish(0)
    const coverage = new CoverageWatcher(server.url, { run })
    const tabs: Page[] = []
    for (const [side, kind] of kinds.entries()) {
      const tab = await (await this.#browsers.get(hostOf(kind, side))!.newContext()).newPage()
      tabs.push(tab)
      await tab.goto(`${origin}/?autostart=1&engine=wasm&run=${run}&memory=${MEMORY[share]}`)
      await trainer.waitFor(() => trainer.statuses.size === tabs.length)
    }
    return new TabPair(kinds, trainer, coverage, tabs)
  }

  async close(): Promise<void> {
    for (const browser of this.#browsers.values()) await browser.close()
    for (const { server } of Object.values(this.#servers)) await server.close()
    await this.#coturn.stop()
    await this.#lab.close()
  }
}

/** Two tabs that are the only ones of their run. Nothing is generated. */
export class TabPair {
  readonly kinds: KindPair
  readonly #trainer: LeasingTrainer
  readonly #coverage: CoverageWatcher
  readonly #tabs: readonly Page[]

  constructor(kinds: KindPair, trainer: LeasingTrainer, coverage: CoverageWatcher, tabs: readonly Page[]) {
    this.kinds = kinds
    this.#trainer = trainer
    this.#coverage = coverage
    this.#tabs = tabs
  }

  /** In the order in which the tabs came, which is that of the kinds. */
  get statuses(): readonly PeerStatus[] {
    return [...this.#trainer.statuses.values()]
  }

  /** How each reaches the other; undefined while it does not. */
  get paths(): readonly (LinkStatus['path'] | undefined)[] {
    return this.statuses.map(({ paths }) => paths?.[0]?.path)
  }

  /** As the server last told of it. */
  get pipelines(): LayerCoverage['pipelines'] {
    return this.#coverage.latest?.pipelines ?? []
  }

  async publish(version: number): Promise<void> {
    await this.#trainer.publish(version)
  }

  /** For whoever reads of a failure. */
  async describe(): Promise<string> {
    const shown = await Promise.all(this.#tabs.map(shownBy))
    return [this.kinds.join(' and '), JSON.stringify(this.statuses), JSON.stringify(this.pipelines), ...shown].join('\n')
  }

  async close(): Promise<void> {
    for (const tab of this.#tabs) await tab.context().close()
    this.#coverage.close()
    this.#trainer.close()
  }
}

function startCoturnIn(lab: NatLab): Promise<Coturn> {
  const address = lab.address('server')
  return startCoturn(undefined, {
    address,
    spawn: (command, args, options) => lab.spawn('server', command, args, options),
    accepts: port => lab.run('server', process.execPath, ['-e', `require('node:net').connect(${port}, '${address}').once('connect', () => process.exit())`]).then(() => true, () => false)
  })
}
