import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { expect, test, type Page } from '@playwright/test'
import { createServer, type ViteDevServer } from 'vite'
import { LIMITS } from '#shared/protocol/limits.ts'
import { describedRun } from '#shared/testing/swarm-fixtures.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { BULK_BYTES_AHEAD } from '#web-worker-app/mesh/link.ts'
import { MESSAGE_CHARACTERS } from '#web-worker-app/mesh/link-frame.ts'
import type { ChannelKind } from './pages/link.ts'
import type { Heard } from './pages/hearing.ts'
import { ScriptedTrainer } from './scripted-trainer.ts'

/**
 * What holds for every link, whatever its channels are: the browser's in a worker, the browser's behind a bridge, or in memory. And for
 * hidden states over a relay, whose ends are sockets of a signaling server.
 */

/** Pieces that may wait at once. */
const MANY = 200
/** Those in the browser when the hidden states come, at most. */
const AHEAD = Math.ceil(BULK_BYTES_AHEAD / LIMITS.pieceBytes)

const KINDS: readonly ChannelKind[] = ['transferred', 'bridged', 'memory']
const WAYS = [...KINDS, 'relay'] as const
type Way = (typeof WAYS)[number]
const saidOver = (way: Way): readonly Heard['kind'][] => (way === 'relay' ? ['fragment'] : ['message', 'piece', 'fragment'])

let server: ViteDevServer
let signaling: SignalingServer
let trainer: ScriptedTrainer
let runs = 0

test.beforeAll(async () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const token = randomUUID()
  // Its clock stands still, so that on a machine that does so for a while nobody is late.
  signaling = await startSignalingServer({ port: 0, host: '127.0.0.1', page: root, models: 'public/models', trainerToken: token, now: () => 0 })
  trainer = new ScriptedTrainer(signaling.url, token, tinyConfig({ layers: 2, contextLength: 32 }))
  server = await createServer({ root, cacheDir: 'node_modules/.vite-e2e-link', server: { host: '127.0.0.1', port: 0, proxy: { '/socket.io': { target: signaling.url, ws: true } } }, optimizeDeps: { noDiscovery: true, include: ['simple-peer/simplepeer.min.js', 'socket.io-client'] }, logLevel: 'warn' })
  await server.listen()
})

test.afterAll(async () => {
  trainer.close()
  await server.close()
  await signaling.close()
})

async function openLink(page: Page, way: Way, atUp = 0): Promise<void> {
  await page.goto(`${server.resolvedUrls!.local[0]}e2e/pages/link.html`)
  await page.waitForFunction(() => 'links' in window)
  if (way !== 'relay') return page.evaluate(([kind, atUp]) => window.links.open(kind, atUp), [way, atUp] as const)
  const run = `relayed-${runs++}`
  await trainer.openRun(describedRun({ run }))
  await page.evaluate(([run, atUp]) => window.links.openRelay(run, atUp), [run, atUp] as const)
}

const hears = (page: Page, end: number, kind: Heard['kind'], count: number): Promise<Heard[]> => page.evaluate(([end, kind, count]) => window.links.hears(end, kind, count), [end, kind, count] as const)

const numbers = (heard: readonly Heard[], kind: Heard['kind']): unknown[] => heard.filter(each => each.kind === kind).map(({ of }) => of)

for (const way of WAYS) {
  test(`${way}: what is said in the moment in which a link is up arrives, on every channel and in both directions`, async ({ page }) => {
    await openLink(page, way, 3)
    for (const end of [0, 1]) {
      for (const what of saidOver(way)) {
        const heard = await hears(page, end, what, 3)
        expect(heard[0]).toEqual({ kind: 'up' })
        expect(new Set(numbers(heard, what))).toEqual(new Set([0, 1, 2]))
      }
    }
  })

  test(`${way}: messages and hidden states keep their order, and nothing is lost`, async ({ page }) => {
    await openLink(page, way)
    await Promise.all([0, 1].map(end => page.evaluate(([end, many]) => window.links.sayAll(end, many), [end, MANY] as const)))
    const expected = Array.from({ length: MANY }, (_, index) => index)
    for (const end of [0, 1]) {
      for (const what of saidOver(way)) {
        const arrived = numbers(await hears(page, end, what, MANY), what)
        expect(what === 'piece' ? new Set(arrived) : arrived).toEqual(what === 'piece' ? new Set(expected) : expected)
      }
    }
  })

  test(`${way}: a link that one end closes is down at both, once`, async ({ page }) => {
    await openLink(page, way)
    await page.evaluate(() => window.links.close(1))
    for (const end of [0, 1]) expect((await hears(page, end, 'down', 1)).map(heard => heard.kind)).toEqual(['up', 'down'])
  })
}

test('relay: what is too long for a fragment is refused before it is sent, and what comes after it arrives', async ({ page }) => {
  await openLink(page, 'relay')
  await expect(page.evaluate(bytes => window.links.sendOverRelay(0, bytes), LIMITS.stageFragmentBytes + 1)).rejects.toThrow(`${LIMITS.stageFragmentBytes} are the most`)
  await page.evaluate(() => window.links.sayAll(0, 1))
  expect((await hears(page, 1, 'fragment', 1)).map(heard => heard.kind)).toEqual(['up', 'fragment'])
})

for (const kind of KINDS) {
  for (const [channel, bytes] of [['control', MESSAGE_CHARACTERS + 1], ['bulk', LIMITS.pieceBytes + 100], ['stages', LIMITS.stageFragmentBytes + 1]] as const) {
    test(`${kind}: what is too long for ${channel} is named as that`, async ({ page }) => {
      await openLink(page, kind)
      await page.evaluate(([channel, bytes]) => window.links.sendUnchecked(0, channel, bytes), [channel, bytes] as const)
      expect(numbers(await hears(page, 1, 'bad_frame', 1), 'bad_frame')).toEqual(['too_large'])
    })
  }

  test(`${kind}: hidden states do not wait for the pieces that were given before them`, async ({ page }) => {
    await openLink(page, kind)
    await page.evaluate(pieces => window.links.sendPiecesThenFragments(0, pieces, 100), MANY)
    const heard = await hears(page, 1, 'piece', MANY)
    expect(new Set(numbers(heard, 'piece')).size).toBe(MANY)
    await hears(page, 1, 'fragment', 100)
    const given = await page.evaluate(() => window.links.given(0))
    expect(given).toHaveLength(MANY)
    // What the browser has is beyond our order; the rest leaves once no hidden state waits.
    const before = given.filter(({ fragmentsBefore }) => fragmentsBefore === 0)
    expect(before.length).toBeGreaterThan(0)
    expect(before.length).toBeLessThanOrEqual(AHEAD)
    expect(given.slice(before.length).filter(({ fragmentsBefore, stageBytesWaiting }) => fragmentsBefore < 100 || stageBytesWaiting > 0)).toEqual([])
  })
}

for (const kind of ['transferred', 'bridged'] as const) {
  test(`${kind}: a connection that the page gives up takes the link with it at both ends`, async ({ page }) => {
    await openLink(page, kind)
    await page.evaluate(() => window.links.forget(0))
    for (const end of [0, 1]) expect((await hears(page, end, 'down', 1)).map(heard => heard.kind)).toEqual(['up', 'down'])
  })
}
