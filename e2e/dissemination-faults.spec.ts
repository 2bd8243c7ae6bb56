import { randomBytes } from 'node:crypto'
import { expect, test, type Browser, type Page } from '@playwright/test'
import { pino } from 'pino'
import { LIMITS } from '#shared/protocol/limits.ts'
import type { Rollout } from '#shared/protocol/rollout.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { formatBytes } from '#web-worker-app/presentation/format.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { Swarm } from '../cli/swarm.ts'
import { closeTabs } from './close-tabs.ts'
import { LeasingTrainer } from './leasing-trainer.ts'
import { expectSameAsNode } from './node-generation.ts'
import { beforeWorker, makePatient, networkWorkerOf, PATIENT, setPatience } from './tab-faults.ts'

/** Whatever a tab, a trainer or the server does wrong: every tab gets every version whole, and a log says who it was. */

/** Layers of some 170 kB: a dozen pieces each. */
const config = tinyConfig({ hiddenSize: 64, intermediateSize: 128, headDim: 16 })
const lora = { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'gate_proj'] } as const

interface Tab {
  readonly page: Page
  readonly peer: string
  /** Its console. */
  readonly log: readonly string[]
}

let builtPage: string
let trainer: LeasingTrainer
let close: () => Promise<void>

test.beforeAll(async () => {
  builtPage = await buildPage(ROOT, () => {})
})

test.afterEach(async ({ browser }) => {
  await closeTabs(browser)
  trainer.close()
  await close()
})

/** @returns what the server warns of */
async function openSwarm(): Promise<readonly string[]> {
  const warnings: string[] = []
  const trainerToken = randomBytes(32).toString('hex')
  const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) })
  const server: SignalingServer = await startSignalingServer({ port: 0, host: '127.0.0.1', page: builtPage, models: 'public/models', trainerToken, log })
  close = () => server.close()
  await openRun(server.url, trainerToken)
  return warnings
}

async function openRun(url: string, token: string): Promise<void> {
  trainer = new LeasingTrainer(url, token, 'faults-test', config, { ...lora, targets: [...lora.targets] })
  await trainer.open()
  await trainer.publish(0)
}

/** A tab with a storage of its own, that starts by itself. */
async function openTab(browser: Browser, prepare: (page: Page) => Promise<void> = () => Promise.resolve()): Promise<Tab> {
  const known = new Set(trainer.statuses.keys())
  const page = await (await browser.newContext()).newPage()
  const log: string[] = []
  page.on('console', message => log.push(message.text()))
  page.on('pageerror', error => log.push(String(error)))
  await prepare(page)
  await page.goto(`${trainer.server}/?autostart=1&engine=wasm`)
  const isNew = (): string | undefined => [...trainer.statuses.keys()].find(peer => !known.has(peer))
  await trainer.waitFor(() => isNew() !== undefined)
  return { page, peer: isNew()!, log }
}

const delivered = ({ peer }: Tab, version: number): Rollout[] => (trainer.delivered.get(peer) ?? []).filter(rollout => rollout.version === version)

const bytesOf = (version: number): number => [...trainer.chunkSizes(version).values()].reduce((sum, bytes) => sum + bytes, 0)

const received = ({ peer }: Tab): { fromOrigin: number; fromPeers: number } => {
  const { bytesFromOrigin, bytesFromPeers } = trainer.statuses.get(peer)!
  return { fromOrigin: bytesFromOrigin, fromPeers: bytesFromPeers }
}

/** Waits until every tab has generated with the version, and compares that with what Node makes of it. */
async function expectIntact(tabs: readonly Tab[], version: number): Promise<void> {
  await trainer.waitFor(() => tabs.every(tab => delivered(tab, version).length >= 8 && trainer.statuses.get(tab.peer)?.version === version))
  await expectSameAsNode(trainer, tabs.flatMap(tab => delivered(tab, version).slice(0, 16)))
}

/** What the network worker of a patient tab does with everything that it sends. Call before the page is loaded. */
function whenSending(script: string): (page: Page) => Promise<void> {
  return page => beforeWorker(page, 'network-worker', `${PATIENT}\n const { send } = RTCDataChannel.prototype; RTCDataChannel.prototype.send = function (data) { ${script} }`)
}

/** Between `hold` and `letGo` none of its pieces leaves it. */
const holdable = whenSending(`if (this.label !== 'bulk' || !self.isHolding) return send.call(this, data)
    self.held ??= []
    self.held.push(() => this.readyState === 'open' && send.call(this, data))`)

/** Between `hold` and `letGo` it tells nobody what it has, so it is asked for nothing. */
const reticent = whenSending(`if (!self.isHolding || typeof data !== 'string' || !data.includes('chunks_held')) return send.call(this, data)
    self.held ??= []
    self.held.push(() => this.readyState === 'open' && send.call(this, data))`)

const hold = ({ page }: Tab): Promise<unknown> => networkWorkerOf(page).evaluate(() => Object.assign(globalThis, { isHolding: true }))

const letGo = ({ page }: Tab): Promise<void> =>
  networkWorkerOf(page).evaluate(() => {
    const holding = globalThis as unknown as { isHolding: boolean; held?: (() => void)[] }
    holding.isHolding = false
    for (const send of holding.held?.splice(0) ?? []) send()
  })

/** A global number of the tab's network worker. */
const numberIn = ({ page }: Tab, name: string): Promise<number> => networkWorkerOf(page).evaluate(name => (globalThis as unknown as Record<string, number | undefined>)[name] ?? 0, name)

/** The clock of all of them is everybody's again. */
const hurry = (tabs: readonly Tab[]): Promise<unknown> => Promise.all(tabs.map(({ page }) => setPatience(page, 1)))

const flipLastBit = 'new Uint8Array(data.buffer, data.byteOffset)[data.byteLength - 1] ^= 1'

test('a chunk that the server sends corrupted is fetched once more, and the server is named', async ({ browser }) => {
  await openSwarm()
  let corrupted: string | undefined
  const tab = await openTab(browser, async page => {
    await page.route('**/chunks/*', async route => {
      if (corrupted !== undefined) return route.continue()
      corrupted = route.request().url().split('/').at(-1)!
      const response = await route.fetch()
      const body = Buffer.from(await response.body())
      body[0]! ^= 1
      return route.fulfill({ response, body })
    })
  })
  await expectIntact([tab], 0)
  expect(tab.log).toEqual([`what came from the server was refused: hash_mismatch, chunk ${corrupted}`])
  expect(received(tab)).toEqual({ fromOrigin: bytesOf(0) + trainer.chunkSizes(0).get(corrupted!)!, fromPeers: 0 })
})

test('one corrupted piece costs its chunk, and names the tab that sent it', async ({ browser }) => {
  await openSwarm()
  const corrupting = await openTab(browser, whenSending(`if (this.label === 'bulk' && !self.corrupted) { self.corrupted = true; ${flipLastBit} } return send.call(this, data)`))
  await expectIntact([corrupting], 0)
  const victim = await openTab(browser, makePatient)
  // It has all the others by then, and waits in vain for somebody who has the one that it refused.
  await trainer.waitFor(() => received(victim).fromPeers === bytesOf(0))
  await hurry([corrupting, victim])
  await expectIntact([victim], 0)
  const [named, ...others] = victim.log
  const [, peer, chunk] = /^what came from peer (\w+) was refused: hash_mismatch, chunk (\w+)$/.exec(named!)!
  expect(peer).toBe(corrupting.peer)
  expect(others).toEqual([])
  await expect.poll(() => corrupting.log).toEqual([`peer ${victim.peer} refused what this tab sent: hash_mismatch`])
  expect(received(victim)).toEqual({ fromOrigin: trainer.chunkSizes(0).get(chunk!), fromPeers: bytesOf(0) })
  await trainer.publish(1)
  await expectIntact([corrupting, victim], 1)
})

test('a tab that lies is named and banned; an honest one beside it is not', async ({ browser }) => {
  await openSwarm()
  // Whoever is asked first may be asked for everything: the other one could not lie often enough.
  const honest = await openTab(browser, reticent)
  await expectIntact([honest], 0)
  const liar = await openTab(browser, whenSending(`if (this.label === 'bulk') ${flipLastBit}; return send.call(this, data)`))
  await expectIntact([liar], 0)
  await hold(honest)

  const victim = await openTab(browser, makePatient)
  await expect.poll(() => victim.log).toContain(`peer ${liar.peer} is banned: it sent wrong bytes again and again`)
  await letGo(honest)
  await expectIntact([victim], 0)
  expect(victim.log.filter(line => line.startsWith(`what came from peer ${liar.peer} was refused: hash_mismatch, chunk `))).toHaveLength(3)
  expect(victim.log.filter(line => line.includes(`peer ${honest.peer} `) && !line.includes(liar.peer))).toEqual([])
  // What the liar fetches nobody takes from it.
  await hurry([honest, liar, victim])
  await trainer.publish(1)
  await expectIntact([honest, liar, victim], 1)
})

/** Notes which pieces are asked on which link, and how many of them have not come. From the first that is asked again any one may take any time. */
const ASKS = `${PATIENT}
  const { send, addEventListener } = RTCDataChannel.prototype
  const channels = []
  Object.assign(self, { asked: [], outstanding: 0 })
  RTCDataChannel.prototype.addEventListener = function (...parameters) {
    if (this.label === 'bulk' && parameters[0] === 'message') addEventListener.call(this, 'message', () => { self.outstanding-- })
    return addEventListener.apply(this, parameters)
  }
  RTCDataChannel.prototype.send = function (data) {
    if (this.label === 'control' && data.includes('piece_wanted')) {
      const { hash, offset } = JSON.parse(data)
      const piece = hash + '/' + offset
      if (!channels.includes(this)) channels.push(this)
      if (self.asked.some(each => each.piece === piece)) self.patience = 30
      self.asked.push({ piece, of: channels.indexOf(this) })
      self.outstanding++
    }
    return send.call(this, data)
  }`

test('a tab that falls silent in the middle is named; another one sends what it owes, and nothing twice', async ({ browser }) => {
  await openSwarm()
  const other = await openTab(browser, holdable)
  await expectIntact([other], 0)
  const silent = await openTab(browser, whenSending(`if (this.label === 'bulk') self.pieces = (self.pieces ?? 0) + 1
    if (!(self.pieces > 3)) send.call(this, data)`))
  await expectIntact([silent], 0)
  await hold(other)

  const asking = await openTab(browser, page => beforeWorker(page, 'network-worker', ASKS))
  await expect.poll(() => numberIn(silent, 'pieces')).toBeGreaterThan(3)
  await letGo(other)
  // From now on only the silent one owes anything.
  await expect.poll(async () => (await numberIn(asking, 'outstanding')) - (await numberIn(silent, 'pieces'))).toBe(-3)
  await hurry([asking])
  await expectIntact([asking], 0)
  expect(asking.log).toEqual([`peer ${silent.peer} has stalled: what it owes is fetched elsewhere`])

  const asked = await networkWorkerOf(asking.page).evaluate(() => (globalThis as unknown as { asked: { piece: string; of: number }[] }).asked)
  const again = [...new Set(asked.map(({ piece }) => piece))].map(name => asked.filter(({ piece }) => piece === name)).filter(times => times.length > 1)
  expect(again.length).toBeGreaterThan(0)
  for (const [first, second, ...more] of again) {
    expect(second!.of).not.toBe(first!.of)
    expect(more).toEqual([])
  }
  expect(received(other)).toEqual({ fromOrigin: bytesOf(0), fromPeers: 0 })
  for (const tab of [silent, asking]) expect(received(tab)).toEqual({ fromOrigin: 0, fromPeers: bytesOf(0) })
  // What the silent one fetches it passes on to nobody.
  await hurry([other, silent, asking])
  await trainer.publish(1)
  await expectIntact([other, silent, asking], 1)
})

/** Versions of the run that the page is told of, in order. Call before the page is loaded. */
function announcementsTo(page: Page): number[] {
  const versions: number[] = []
  page.on('websocket', socket => {
    socket.on('framereceived', ({ payload }) => {
      const announced = /^42(\["policy_announced",.*)$/s.exec(String(payload))
      if (announced !== null) versions.push((JSON.parse(announced[1]!) as [string, { manifest: { version: number } }])[1].manifest.version)
    })
  })
  return versions
}

test('an old manifest that is published again sends no tab back, and the server’s log names it', async ({ browser }) => {
  const warnings = await openSwarm()
  const early = await openTab(browser)
  for (const version of [1, 2, 3]) await trainer.publish(version)
  let announced: number[] = []
  const late = await openTab(browser, page => {
    announced = announcementsTo(page)
    return Promise.resolve()
  })
  const tabs = [early, late]
  await expectIntact(tabs, 3)

  expect(await trainer.sendManifest(1)).toEqual({ kind: 'announced' })
  for (const version of [4, 5, 6, 7]) await trainer.publish(version)
  expect(await trainer.sendManifest(1)).toMatchObject({ kind: 'refused', code: 'stale_version' })
  await expectIntact(tabs, 7)
  expect(announced).toEqual([4, 5, 6, 7])
  expect(warnings.map(line => JSON.parse(line) as object)).toMatchObject([{ event: 'refused', role: 'trainer', address: '127.0.0.1', code: 'stale_version', detail: 'version 1 after version 7' }])
})

test('a signaling server that is killed in mid-transfer stops no tab from giving a version to another', async ({ browser }, info) => {
  const swarm = new Swarm({ host: '127.0.0.1', port: 0, page: builtPage, logs: info.outputPath('logs') })
  close = () => swarm.stop()
  await swarm.startServer()
  await openRun(swarm.url, swarm.token)
  const giving = await openTab(browser, whenSending(`if (this.label !== 'bulk' || self.isReleased) return send.call(this, data)
    self.held ??= []
    self.pieces = (self.pieces ?? 0) + 1
    if (self.pieces <= 5) send.call(this, data)
    else self.held.push(() => send.call(this, data))`))
  await expectIntact([giving], 0)
  const taking = await openTab(browser, makePatient)
  const taken = taking.page.locator('.from-peers')
  const all = `${formatBytes(bytesOf(0))} from other tabs`
  await expect(taken).not.toHaveText('0 B from other tabs')
  swarm.server.kill()
  await swarm.server.exited
  await expect(taking.page.locator('.connection')).toHaveAttribute('data-connection', 'offline')
  expect(await taken.textContent()).not.toBe(all)
  await networkWorkerOf(giving.page).evaluate(() => {
    const giver = globalThis as unknown as { isReleased: boolean; held: (() => void)[] }
    giver.isReleased = true
    for (const send of giver.held) send()
  })
  await expect(taken).toHaveText(all)
  await expect(taking.page.locator('.from-origin')).toHaveText('0 B from the server')
  await expect.poll(() => taking.log.some(line => line.includes(new URL(swarm.url).host) && line.includes('ERR_CONNECTION_REFUSED'))).toBe(true)

  await swarm.startServer()
  trainer.connectAgain()
  await trainer.open()
  await trainer.publish(0)
  await expectIntact([giving, taking], 0)
  expect(received(taking)).toEqual({ fromOrigin: 0, fromPeers: bytesOf(0) })
  await trainer.publish(1)
  await expectIntact([giving, taking], 1)
})

/** Notes how many connections the page has made, and how many it had open at once. They lead nowhere, and have nothing to say about how they could. Call before the page is loaded. */
async function countConnections(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const counts = { made: 0, most: 0 }
    const open = new Set<RTCPeerConnection>()
    Object.assign(globalThis, {
      counts,
      RTCPeerConnection: class extends RTCPeerConnection {
        constructor(configuration: RTCConfiguration = {}) {
          super({ ...configuration, iceServers: [], iceTransportPolicy: 'relay' })
          open.add(this)
          counts.made++
          // simple-peer closes one that it was told to end in a microtask of its own. A task later others may have come and gone.
          queueMicrotask(() => {
            counts.most = Math.max(counts.most, open.size)
          })
        }

        override close(): void {
          open.delete(this)
          super.close()
        }
      }
    })
  })
}

const DIALS = 1000
/** That are left to fail by themselves, as long as there are no others. */
const AT_ONCE = 100

test('a thousand introductions use up a tab’s connections and not the tab, which gets its versions from the server', async ({ browser }) => {
  await openSwarm()
  const lost = new Set<string>()
  const dialled = Array.from({ length: DIALS }, () => randomBytes(16).toString('hex'))
  const victim = await openTab(browser, async page => {
    await countConnections(page)
    await page.routeWebSocket(/\/socket\.io\//, socket => {
      const server = socket.connectToServer()
      const tell = (event: string, payload: object): void => socket.send(`42${JSON.stringify([event, payload])}`)
      let isDialled = false
      const dial = (): void => {
        if (isDialled) return
        isDialled = true
        for (const [index, peer] of dialled.entries()) {
          if (index === AT_ONCE) for (const gone of dialled.slice(0, AT_ONCE)) tell('peer_gone', { peer: gone })
          tell('introduction', { peer, initiator: index % 2 === 0 })
          if (index >= AT_ONCE) tell('peer_gone', { peer })
        }
      }
      server.onMessage(message => socket.send(message))
      socket.onMessage(message => {
        if (String(message).startsWith('42["work_wanted"')) dial()
        const told = /^42\["(signal|link_lost)",\{"(?:to|peer)":"(\w+)"/.exec(String(message))
        if (told === null || !dialled.includes(told[2]!)) return server.send(message)
        if (told[1] === 'link_lost') lost.add(told[2]!)
      })
    })
  })
  await expectIntact([victim], 0)
  await expect.poll(() => lost.size).toBe(DIALS - LIMITS.connectionsPerPage)
  const counts = await victim.page.evaluate(() => (globalThis as unknown as { counts: { made: number; most: number } }).counts)
  expect(counts).toEqual({ made: LIMITS.connectionsPerPage, most: LIMITS.linksPerPeer })
  expect(victim.log).toEqual([`${new URL(trainer.server).host} has introduced this tab ${LIMITS.connectionsPerPage} times: it links to nobody else, and fetches from the server, until it is reloaded`])

  const other = await openTab(browser)
  await expectIntact([other], 0)
  await trainer.publish(1)
  await expectIntact([victim, other], 1)
  for (const tab of [victim, other]) expect(received(tab)).toEqual({ fromOrigin: bytesOf(0) + bytesOf(1), fromPeers: 0 })
})
