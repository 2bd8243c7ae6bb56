import { randomBytes } from 'node:crypto'
import { expect, test, type Page, type WebSocketRoute } from '@playwright/test'
import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { PEER_A, PEER_B, PEER_GONE, PEER_SPARE, sampleCoverage, sampleDescription, sampleFeed } from '#web-worker-app/presentation/sample-run.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { faultsOfLooks, watchForFaults } from './page-faults.ts'
import { ScriptedTrainer } from './scripted-trainer.ts'

/** The dashboard's section about layers, on the real server and socket; only what is said about layers is put in on the way. */

const token = randomBytes(32).toString('hex')
let server: SignalingServer
let trainer: ScriptedTrainer

test.beforeAll(async () => {
  server = await startSignalingServer({ port: 0, host: '127.0.0.1', page: await buildPage(ROOT, () => {}), models: 'public/models', trainerToken: token })
  trainer = new ScriptedTrainer(server.url, token)
  await trainer.openRun(sampleDescription)
  trainer.sendFeed(sampleFeed)
})

test.afterAll(async () => {
  trainer.close()
  await server.close()
})

/** @returns says to the page what a server would say about layers */
async function openDashboard(page: Page): Promise<(coverage: unknown) => void> {
  let socket: WebSocketRoute | undefined
  await page.routeWebSocket(/\/socket\.io\//, opened => {
    const upstream = opened.connectToServer()
    upstream.onMessage(message => opened.send(message))
    socket = opened
  })
  await page.goto(`${server.url}/dashboard`)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(sampleDescription.run)
  // What is above and comes later would move what is below.
  await expect(page.locator('[data-card="reward"] .card-value')).toHaveText('0.61')
  // socket.io's frame of an event: engine.io message, event packet.
  return coverage => socket!.send(`42${JSON.stringify(['layer_coverage', coverage])}`)
}

const section = (page: Page) => page.getByRole('region', { name: 'Layers', exact: true })

/** `pipelines` chains of `stages` tabs, a layer range each, and twenty tabs in no pipeline. */
function fleet(layers: number, pipelines: number, stages: number): LayerCoverage {
  const name = (n: number) => (n * 2_654_435_761).toString(16).padStart(12, '0').padEnd(32, '0')
  const slice = (stage: number) => ({ start: Math.round((stage * layers) / stages), end: Math.round(((stage + 1) * layers) / stages) })
  const chains = Array.from({ length: pipelines }, (_, p) => Array.from({ length: stages }, (_each, stage) => name(p * stages + stage + 1)))
  const host = (peer: string, n: number, stage: number): LayerCoverage['hosts'][number] => ({
    peer,
    layers: slice(stage),
    state: n % 17 === 5 ? 'late' : n % 11 === 3 ? 'assigned' : 'ready',
    decodeMs: 1.5 + (n % 7),
    rows: n % 13
  })
  const standbys = Array.from({ length: 20 }, (_, n) => host(name(10_000 + n), n, n % stages))
  return {
    ...sampleCoverage,
    layers,
    hosts: [...chains.flatMap((peers, p) => peers.map((peer, stage) => host(peer, p * stages + stage, stage))), ...standbys],
    pipelines: chains.map((peers, p) => ({ pipeline: p, stages: peers, open: p % 9 !== 4, spared: p % 11 === 5, versions: [3], relayed: p % 5 === 1 ? [0] : [] })),
    recent: Array.from({ length: 24 }, (_, n) => ({
      ...sampleCoverage.recent[0]!,
      key: `completion-${n}`,
      chains: [chains[n % pipelines]!.map((peer, stage) => ({ peer, layers: slice(stage) }))],
      end: n === 0 ? null : ('length' as const)
    }))
  }
}

test('shows chains, states and times, and follows what the server says', async ({ page }) => {
  const faults = watchForFaults(page, server.url)
  const tell = await openDashboard(page)
  await expect(section(page), 'of a run without tabs').toContainText('No tab is here to hold them.')
  tell(sampleCoverage)
  await expect(section(page).getByRole('status')).toHaveText('Every layer is served: 1 pipeline is open.')
  await expect(section(page).locator(`tr[data-host="${PEER_A}"] td`)).toHaveText(['0–1', 'ready', '1', '4.5', '3', 'direct'])
  await expect(section(page).locator(`tr[data-host="${PEER_B}"] td`)).toHaveText(['2–3', 'ready', '2', '6.3', '3', 'relayed'])
  await expect(section(page).locator(`tr[data-host="${PEER_SPARE}"] td`)).toHaveText(['2', 'loading', '–', '–', '0', '–'])
  await expect(section(page).getByRole('img')).toHaveAccessibleName('Ready tabs for each layer: 0–3: 1.')
  await expect(section(page).locator('[data-request="completion-18"] .chain')).toHaveText(['throughaaaaaa: 0–1cccccc: 2–3', 'then throughaaaaaa: 0–1bbbbbb: 2–3'])
  await expect(section(page).locator('[data-break]')).toHaveText(`${PEER_GONE.slice(0, 6)} fell silent, pipeline 13 sequencesnoticed after 1.5 sgoing on after 420 ms more`)

  tell({ ...sampleCoverage, hosts: sampleCoverage.hosts.slice(0, 1), pipelines: [], missing: [{ layers: { start: 0, end: 2 }, reason: 'absent_peer' }] })
  await expect(section(page).getByRole('status')).toContainText('Layers 0–1 cannot be served: no ready tab')
  await expect(section(page).locator('.coverage-profile [data-gap]')).toHaveCount(1)
  expect(faults).toEqual([])
})

test('malformed coverage is named once, changes nothing, and is followed by the next good one', async ({ page }) => {
  const faults = watchForFaults(page, server.url)
  const warnings: string[] = []
  page.on('console', message => {
    if (message.type() === 'warning') warnings.push(message.text())
  })
  const tell = await openDashboard(page)
  tell(sampleCoverage)
  await expect(section(page).getByRole('status')).toContainText('1 pipeline is open')
  for (let times = 0; times < 3; times++) tell({ ...sampleCoverage, waiting: 'two' })
  await expect.poll(() => warnings).toEqual([expect.stringMatching(/^the server's layer_coverage: waiting must be number/)])
  await expect(section(page).getByRole('status')).not.toContainText('wait')
  tell({ ...sampleCoverage, waiting: 2 })
  await expect(section(page).getByRole('status')).toContainText('2 requests wait')
  expect(warnings).toHaveLength(1)
  expect(faults).toEqual([])
})

test('a run of whole-model tabs has a line about layers, and no more', async ({ page }) => {
  const tell = await openDashboard(page)
  tell({ ...fleet(4, 3, 1), hosts: fleet(4, 3, 1).hosts.slice(0, 3), recent: [], breaks: [] })
  await expect(section(page).getByRole('status')).toContainText('3 tabs hold the whole model (4 layers)')
  await expect(section(page).getByRole('table')).toHaveCount(0)
  await expect(section(page).locator('svg')).toHaveCount(0)
})

test('nothing below the section moves while states, times and loads change', async ({ page }) => {
  const tell = await openDashboard(page)
  const before = fleet(36, 45, 4)
  tell(before)
  await expect(section(page).locator('tr[data-host]')).toHaveCount(200)
  const box = await section(page).boundingBox()
  const bars = () => section(page).locator('.slice-bar').first().boundingBox()
  const bar = await bars()
  tell({
    ...before,
    hosts: before.hosts.map((host, n) => ({ ...host, state: (['late', 'assigned', 'ready'] as const)[n % 3]!, decodeMs: n % 4 === 0 ? null : 1234.5, rows: 999 }))
  })
  await expect(section(page).locator('tr[data-host] td', { hasText: '999' })).toHaveCount(200)
  expect(await section(page).boundingBox()).toEqual(box)
  expect(await bars()).toEqual(bar)
})

test('is accessible and fits, whatever the fleet, in light and dark, on a desk and on a telephone', async ({ page }) => {
  const tell = await openDashboard(page)
  const fleets = {
    one: { ...fleet(1, 1, 1), hosts: fleet(1, 1, 1).hosts.slice(0, 1) },
    three: sampleCoverage,
    missing: { ...sampleCoverage, pipelines: [], waiting: 1, missing: [{ layers: { start: 2, end: 4 }, reason: 'no_memory' as const }] },
    many: fleet(36, 60, 4)
  }
  for (const [name, coverage] of Object.entries(fleets)) {
    tell({ ...coverage, waiting: coverage.hosts.length })
    await expect(section(page).getByRole('status')).toContainText(/requests? waits? for a pipeline/)
    await expect(section(page).getByText(`layer${coverage.layers === 1 ? '' : 's'}, ${coverage.hosts.length} tab`)).toBeVisible()
    expect(await faultsOfLooks(page), name).toEqual([])
  }
})
