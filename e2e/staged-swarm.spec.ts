import { randomBytes } from 'node:crypto'
import { expect, test, type Browser } from '@playwright/test'
import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { CoverageWatcher } from './coverage-watcher.ts'
import { LeasingTrainer } from './leasing-trainer.ts'
import { expectSameAsNode } from './node-generation.ts'

/** Tabs that lend too little for the whole model, on the real signaling server: what they generate together. */

/** Keys and values of a layer take some four megabytes, the weights a few kilobytes. */
const config = tinyConfig({ layers: 4, contextLength: 256 })
const lora = { rank: 2, alpha: 8, targets: ['q_proj', 'up_proj'] } as const
const RUN = 'staged-test'
/** Megabytes that hold so many layers. */
const MEMORY_FOR = { 1: 5, 2: 9, 3: 13, 4: 30 } as const
type Layers = keyof typeof MEMORY_FOR

test.use({ trace: 'off', screenshot: 'off' })

let page: string
let server: SignalingServer
let trainer: LeasingTrainer
let coverage: CoverageWatcher

test.beforeAll(async () => {
  page = await buildPage(ROOT, () => {})
})

test.beforeEach(async () => {
  const trainerToken = randomBytes(32).toString('hex')
  server = await startSignalingServer({ port: 0, host: '127.0.0.1', page, models: 'public/models', trainerToken })
  trainer = new LeasingTrainer(server.url, trainerToken, RUN, config, { ...lora, targets: [...lora.targets] })
  await trainer.open()
  await trainer.publish(0)
  coverage = new CoverageWatcher(server.url)
})

test.afterEach(async () => {
  coverage.close()
  trainer.close()
  await server.close()
})

/** A tab that can hold so many layers. @returns its peer id, once the server counts on it */
async function openTab(browser: Browser, layers: Layers): Promise<string> {
  const known = new Set(coverage.latest?.hosts.map(({ peer }) => peer))
  const tab = await (await browser.newContext()).newPage()
  await tab.goto(`${server.url}/?autostart=1&engine=wasm&memory=${MEMORY_FOR[layers]}`)
  const newcomer = ({ hosts }: LayerCoverage): string | undefined => hosts.find(({ peer }) => !known.has(peer))?.peer
  return newcomer(await coverage.waitFor(told => newcomer(told) !== undefined))!
}

const openPipelines = ({ pipelines }: LayerCoverage, version: number): LayerCoverage['pipelines'] => pipelines.filter(({ open, versions }) => open && versions.includes(version))

for (const memories of [[2, 2], [1, 2, 1], [1, 1, 1, 1]] as const) {
  test(`${memories.length} tabs that hold ${memories.join(' + ')} layers generate what one does, version after version`, async ({ browser }) => {
    const peers: string[] = []
    for (const layers of memories) peers.push(await openTab(browser, layers))
    const told = await coverage.waitFor(told => openPipelines(told, 0).length === 1)
    expect(told.missing).toEqual([])
    const { stages } = told.pipelines[0]!
    expect(stages.toSorted()).toEqual(peers.toSorted())
    const slices = stages.map(stage => told.hosts.find(({ peer }) => peer === stage)!.layers!)
    expect(slices.map(({ start }) => start), 'each begins where the one before ends').toEqual([0, ...slices.slice(0, -1).map(({ end }) => end)])
    expect(slices.at(-1)!.end).toBe(config.layers)

    const first = stages[0]!
    const delivered = (version: number): number => (trainer.delivered.get(first) ?? []).filter(rollout => rollout.version === version).length
    await trainer.waitFor(() => delivered(0) >= 64)
    await trainer.publish(1)
    await trainer.waitFor(() => delivered(1) >= 64)
    await trainer.publish(2)
    await trainer.waitFor(() => delivered(2) >= 64)
    await expectSameAsNode(trainer, [0, 1, 2].flatMap(version => trainer.delivered.get(first)!.filter(rollout => rollout.version === version).slice(0, 64)))
    expect([...trainer.delivered.keys()], 'only first stages deliver').toEqual([first])
  })
}
