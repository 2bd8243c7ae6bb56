import { randomBytes } from 'node:crypto'
import { expect, test, type Browser, type Page } from '@playwright/test'
import OpenAI from 'openai'
import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { answerSeed } from '#signaling-server/http/openai/answer-request.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { CoverageWatcher } from './coverage-watcher.ts'
import { LeasingTrainer } from './leasing-trainer.ts'
import { expectSameAsNode, expectSameOrTied } from './node-generation.ts'
import { freeze, kill, makeSlowable, slow } from './tab-faults.ts'

/** Tabs that lend too little for the whole model, on the real signaling server: what they generate together, and what happens when one of them fails. */

/** Keys and values of a layer take some four megabytes, the weights a few kilobytes. With so many tokens few answers end early. */
const config = tinyConfig({ layers: 4, contextLength: 256, vocabSize: 211 })
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

// oxlint-disable-next-line no-empty-pattern -- Playwright tells from the pattern which fixtures are wanted
test.afterEach(async ({}, info) => {
  for (const { description } of info.annotations) if (description !== undefined) console.log(description)
  coverage.close()
  trainer.close()
  await server.close()
})

/** A tab that can hold so many layers. @returns once the server counts on it */
async function openTab(browser: Browser, layers: Layers, prepare: (tab: Page) => Promise<void> = () => Promise.resolve()): Promise<{ readonly tab: Page; readonly peer: string }> {
  const known = new Set(coverage.latest?.hosts.map(({ peer }) => peer))
  const tab = await (await browser.newContext()).newPage()
  await prepare(tab)
  await tab.goto(`${server.url}/?autostart=1&engine=wasm&memory=${MEMORY_FOR[layers]}`)
  const newcomer = ({ hosts }: LayerCoverage): string | undefined => hosts.find(({ peer }) => !known.has(peer))?.peer
  return { tab, peer: newcomer(await coverage.waitFor(told => newcomer(told) !== undefined))! }
}

const openPipelines = ({ pipelines }: LayerCoverage, version: number): LayerCoverage['pipelines'] => pipelines.filter(({ open, versions }) => open && versions.includes(version))

for (const memories of [[2, 2], [1, 2, 1], [1, 1, 1, 1]] as const) {
  test(`${memories.length} tabs that hold ${memories.join(' + ')} layers generate what one does, version after version`, async ({ browser }) => {
    const peers: string[] = []
    for (const layers of memories) peers.push((await openTab(browser, layers)).peer)
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

const PEOPLE = 32
const MAX_TOKENS = 120

interface Answer {
  readonly tokens: readonly number[]
  readonly finish: string
}

const promptOf = (seed: number): number[] => [config.bosTokenId, 3 + (seed % 11), 4 + (seed % 7)]

/** Everybody's answer, by seed. @param firstTokens called once so many tokens are there that everything is under way */
async function askAll(version: number, firstTokens: () => void = () => {}): Promise<Answer[]> {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
  let seen = 0
  const ask = async (seed: number): Promise<Answer> => {
    const stream = await client.completions.create({ model: `${RUN}@${version}`, prompt: promptOf(seed), max_tokens: MAX_TOKENS, seed, stream: true, return_token_ids: true } as never)
    const tokens: number[] = []
    let finish = ''
    for await (const { choices } of stream as unknown as AsyncIterable<{ choices: { token_ids?: number[]; finish_reason: string | null }[] }>) {
      for (const { token_ids = [], finish_reason } of choices) {
        tokens.push(...token_ids)
        finish = finish_reason ?? finish
        if (seen < PEOPLE && (seen += token_ids.length) >= PEOPLE) firstTokens()
      }
    }
    return { tokens, finish }
  }
  return Promise.all(Array.from({ length: PEOPLE }, (_, seed) => ask(seed)))
}

const FAULTS = {
  kill: { fault: kill, causes: ['left'] },
  freeze: { fault: (tab: Page) => freeze(tab, 8_000), causes: ['silent'] },
  slow: { fault: (tab: Page) => slow(tab, 2_500), causes: ['slow', 'silent'] }
} as const

for (const [name, { fault, causes }] of Object.entries(FAULTS)) {
  for (const stage of [0, 1, 2]) {
    test(`${name}: stage ${stage} of a pipeline under load fails, and no sequence and no token is lost`, async ({ browser }, info) => {
      const tabs = new Map<string, Page>()
      const open = async (layers: Layers): Promise<void> => {
        const { tab, peer } = await openTab(browser, layers, makeSlowable)
        tabs.set(peer, tab)
      }
      for (const layers of [2, 1, 1] as const) await open(layers)
      await coverage.waitFor(told => openPipelines(told, 0).length === 1)
      // Somebody to stand in.
      await open(2)
      const before = await coverage.waitFor(told => openPipelines(told, 0).length === 1 && told.hosts.length === 4 && told.hosts.every(({ state }) => state === 'ready'))
      const { stages } = openPipelines(before, 0)[0]!
      // A machine that stands still for a moment can have it mended with fewer already.
      expect(stages.length).toBeGreaterThan(1)
      const victim = stages[Math.min(stage, stages.length - 1)]!

      const undisturbed = await askAll(0)
      let struck: Promise<void> | undefined
      const answers = await askAll(0, () => (struck = fault(tabs.get(victim)!)))
      await struck
      expect(answers.map(({ finish }) => finish)).not.toContain('')
      const ties = answers.map(({ tokens }, seed) => expectSameOrTied(config, promptOf(seed), answerSeed(seed, 0, 0), undisturbed[seed]!.tokens, tokens)).filter(isTie => isTie).length
      info.annotations.push({ type: 'ties', description: `${ties} of ${PEOPLE} answers fell the other way at a tie` })
      const breakUnderLoad = ({ breaks }: LayerCoverage) => breaks.find(({ peer, sequences, recoveredAfterMs }) => peer === victim && sequences > 0 && recoveredAfterMs !== null)
      const { cause, detectedAfterMs, recoveredAfterMs, sequences } = breakUnderLoad(await coverage.waitFor(told => breakUnderLoad(told) !== undefined))!
      info.annotations.push({ type: 'recovery', description: `${name} stage ${stages.indexOf(victim)} of ${stages.length}: ${cause}, detected after ${detectedAfterMs.toFixed(0)} ms, ${sequences} sequences went on after ${recoveredAfterMs!.toFixed(0)} ms` })
      expect(causes).toContain(cause)
      await expectSameAsNode(trainer, [...trainer.delivered.values()].flat().slice(-256))
    })
  }
}
