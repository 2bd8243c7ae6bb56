import { randomBytes } from 'node:crypto'
import { expect, test as base, type Browser, type Page } from '@playwright/test'
import OpenAI from 'openai'
import type { DecoderConfig } from '#shared/model/config.ts'
import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import type { Rollout } from '#shared/protocol/rollout.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { answerSeed } from '#signaling-server/http/openai/answer-request.ts'
import { Deferred } from '#trainer/deferred.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { closeTabs } from './close-tabs.ts'
import { CoverageWatcher } from './coverage-watcher.ts'
import { LeasingTrainer } from './leasing-trainer.ts'
import { expectSameAsNode, expectSameOrTied } from './node-generation.ts'
import { shownBy } from './shown-by.ts'
import { freeze, kill, makeSlowable, makeUnlinkable, slow } from './tab-faults.ts'

/** Tabs that lend too little for the whole model, on the real signaling server: what they generate together, and what happens when one of them fails. */

/** Keys and values of a layer take some four megabytes, the weights a few kilobytes. With so many tokens few answers end early. */
const config = tinyConfig({ layers: 4, contextLength: 256, vocabSize: 211 })
const lora = { rank: 2, alpha: 8, targets: ['q_proj', 'up_proj'] } as const
const RUN = 'staged-test'
/** Megabytes that hold so many layers. */
const MEMORY_FOR = { 1: 5, 2: 9, 3: 13, 4: 30 } as const
type Layers = keyof typeof MEMORY_FOR
const ENGINES = { wasm: 'engine=wasm', webgpu: 'engine=webgpu&allowSoftwareAdapter=1' } as const

const test = base.extend<{ readonly model: DecoderConfig }>({ model: [config, { option: true }] })

let page: string
let server: SignalingServer
let trainer: LeasingTrainer
let coverage: CoverageWatcher

test.beforeAll(async () => {
  page = await buildPage(ROOT, () => {})
})

test.beforeEach(async ({ model }) => {
  const trainerToken = randomBytes(32).toString('hex')
  server = await startSignalingServer({ port: 0, host: '127.0.0.1', page, models: 'public/models', trainerToken })
  trainer = new LeasingTrainer(server.url, trainerToken, RUN, model, { ...lora, targets: [...lora.targets] })
  trainer.waitMs = test.info().timeout - 20_000
  await trainer.open()
  await trainer.publish(0)
  coverage = new CoverageWatcher(server.url, { waitMs: trainer.waitMs })
})

test.afterEach(async ({ browser }, info) => {
  for (const { description } of info.annotations) if (description !== undefined) console.log(description)
  if (info.status !== info.expectedStatus) {
    console.log(JSON.stringify(coverage.latest))
    for (const tab of browser.contexts().flatMap(context => context.pages())) console.log(await shownBy(tab))
  }
  await closeTabs(browser)
  coverage.close()
  trainer.close()
  await server.close()
})

interface TabOptions {
  readonly engine?: keyof typeof ENGINES
  readonly prepare?: (tab: Page) => Promise<void>
}

/** A tab that can hold so many layers. @returns once the server counts on it */
async function openTab(browser: Browser, layers: Layers, { engine = 'wasm', prepare }: TabOptions = {}): Promise<{ readonly tab: Page; readonly peer: string }> {
  const known = new Set(coverage.latest?.hosts.map(({ peer }) => peer))
  const tab = await (await browser.newContext()).newPage()
  await prepare?.(tab)
  await tab.goto(`${server.url}/?autostart=1&memory=${MEMORY_FOR[layers]}&${ENGINES[engine]}`)
  const newcomer = ({ hosts }: LayerCoverage): string | undefined => hosts.find(({ peer }) => !known.has(peer))?.peer
  return { tab, peer: newcomer(await coverage.waitFor(told => newcomer(told) !== undefined))! }
}

const openPipelines = ({ pipelines }: Pick<LayerCoverage, 'pipelines'>, version: number): LayerCoverage['pipelines'] => pipelines.filter(({ open, versions }) => open && versions.includes(version))

/** Every tab that was told to be the first stage of an open pipeline: on a busy machine somebody may be found too slow, and the same tabs go on in another order. */
function watchFirstStages(): ReadonlySet<string> {
  const first = new Set<string>()
  coverage.listen(({ pipelines }) => {
    for (const { open, stages } of pipelines) if (open) first.add(stages[0]!)
  })
  return first
}

/** Opens tabs of so many layers each. @returns their pipeline, once it is open */
async function openPipeline(browser: Browser, memories: readonly Layers[], options: TabOptions = {}): Promise<LayerCoverage['pipelines'][number]> {
  const peers: string[] = []
  for (const layers of memories) peers.push((await openTab(browser, layers, options)).peer)
  const told = await coverage.waitFor(told => openPipelines(told, 0).length === 1 && told.hosts.length === peers.length)
  expect(told.missing).toEqual([])
  const pipeline = openPipelines(told, 0)[0]!
  expect(pipeline.stages.toSorted()).toEqual(peers.toSorted())
  const slices = pipeline.stages.map(stage => told.hosts.find(({ peer }) => peer === stage)!.layers!)
  expect(slices.map(({ start }) => start), 'each begins where the one before ends').toEqual([0, ...slices.slice(0, -1).map(({ end }) => end)])
  expect(slices.at(-1)!.end).toBe(config.layers)
  return pipeline
}

/** Version after version, the next while the one before is being generated with. */
async function expectDeliveredAsNode(firstStages: ReadonlySet<string>, versions: number, rollouts: number): Promise<void> {
  const delivered = (version: number): Rollout[] => [...trainer.delivered.values()].flat().filter(rollout => rollout.version === version)
  for (let version = 0; version < versions; version++) {
    if (version > 0) await trainer.publish(version)
    await trainer.waitFor(() => delivered(version).length >= rollouts)
  }
  await expectSameAsNode(trainer, Array.from({ length: versions }, (_, version) => delivered(version).slice(0, rollouts)).flat())
  expect([...trainer.delivered.keys()].filter(peer => !firstStages.has(peer)), 'only first stages deliver').toEqual([])
}

/** Rollouts of each version: on a software GPU a step takes a fifth of a second, however few sequences take part. */
const ROLLOUTS = { wasm: 64, webgpu: 12 } as const
/** Three minutes each on a software GPU: only when they are asked for. Always tested on WebGPU: two stages in one page (pipeline.spec). */
const TESTED = process.env['MURMURATION_WEBGPU_SWARMS'] === undefined ? (['wasm'] as const) : (['wasm', 'webgpu'] as const)

for (const engine of TESTED) {
  test.describe(engine, () => {
    if (engine === 'webgpu') test.describe.configure({ timeout: 900_000 })
    for (const memories of [[2, 2], [1, 2, 1], [1, 1, 1, 1]] as const) {
      test(`${memories.length} tabs that hold ${memories.join(' + ')} layers generate what one does, version after version`, async ({ browser }) => {
        trainer.mostRollouts = ROLLOUTS[engine] * 2
        const firstStages = watchFirstStages()
        const { relayed } = await openPipeline(browser, memories, { engine })
        expect(relayed).toEqual([])
        await expectDeliveredAsNode(firstStages, 3, ROLLOUTS[engine])
      })
    }
  })
}

test('tabs that no link can be made between are served by the relay, which the coverage tells', async ({ browser }) => {
  const firstStages = watchFirstStages()
  const { relayed } = await openPipeline(browser, [2, 2], { prepare: makeUnlinkable })
  expect(relayed).toEqual([0, 1])
  await expectDeliveredAsNode(firstStages, 2, 32)
})

const PEOPLE = 32
const MAX_TOKENS = 120

interface Answer {
  readonly tokens: readonly number[]
  readonly finish: string
}

const promptOf = (seed: number): number[] => [config.bosTokenId, 3 + (seed % 11), 4 + (seed % 7)]

/**
 * Everybody asks, and asks the same again until `isOver`: a fault takes its time to happen, and everybody shall be there when it does.
 * @param underWay called once when so many tokens are there that everything is under way
 * @returns each one's answers, by seed
 */
async function askAll({ underWay = () => {}, isOver = () => true }: { readonly underWay?: () => void; readonly isOver?: () => boolean } = {}): Promise<Answer[][]> {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
  let seen = 0
  const ask = async (seed: number): Promise<Answer> => {
    const stream = await client.completions.create({ model: `${RUN}@0`, prompt: promptOf(seed), max_tokens: MAX_TOKENS, seed, stream: true, return_token_ids: true } as never)
    const tokens: number[] = []
    let finish = ''
    for await (const { choices } of stream as unknown as AsyncIterable<{ choices: { token_ids?: number[]; finish_reason: string | null }[] }>) {
      for (const { token_ids = [], finish_reason } of choices) {
        tokens.push(...token_ids)
        finish = finish_reason ?? finish
        if (seen < PEOPLE && (seen += token_ids.length) >= PEOPLE) underWay()
      }
    }
    return { tokens, finish }
  }
  const askOnAndOn = async (seed: number): Promise<Answer[]> => {
    const answers = [await ask(seed)]
    while (!isOver()) answers.push(await ask(seed))
    return answers
  }
  return Promise.all(Array.from({ length: PEOPLE }, (_, seed) => askOnAndOn(seed)))
}

/** On a machine where the tab gets no processor in that moment, it is found silent before anything else. */
const FAULTS = {
  kill: { fault: kill, endFault: () => Promise.resolve(), causes: ['left', 'silent'] },
  freeze: { fault: (tab: Page) => freeze(tab, 8_000), endFault: () => Promise.resolve(), causes: ['silent', 'slow'] },
  slow: { fault: (tab: Page) => slow(tab, 2_500), endFault: (tab: Page) => slow(tab, 0), causes: ['slow', 'silent'] }
} as const

test.describe('a pipeline of three stages under load, and a tab to stand in', () => {
  test.use({ model: { ...config, layers: 6 } })
  const STAGES = 3

  for (const [name, { fault, endFault, causes }] of Object.entries(FAULTS)) {
    test(`${name}: each stage fails in turn, and no sequence and no token is lost`, async ({ browser, model }, info) => {
      const tabs = new Map<string, Page>()
      const open = async (): Promise<void> => {
        const { tab, peer } = await openTab(browser, 2, { prepare: makeSlowable })
        tabs.set(peer, tab)
      }
      const settled = ({ hosts, pipelines }: LayerCoverage): boolean => hosts.length === tabs.size && hosts.every(({ state }) => state === 'ready') && pipelines.length === 1 && openPipelines({ pipelines }, 0).length === 1
      for (let tab = 0; tab <= STAGES; tab++) await open()
      await coverage.waitFor(settled)
      const undisturbed = (await askAll()).map(([answer]) => answer!.tokens)
      for (let stage = 0; stage < STAGES; stage++) {
        await coverage.waitFor(settled)
        // Whoever has the place when it happens. On a busy machine somebody else may be found too slow in that moment, and the pipeline be replaced because of that one: then again, from the beginning: with two slow tabs the pipeline would go from one to the other.
        const strike = async (): Promise<LayerCoverage['breaks'][number]> => {
          for (;;) {
            const { pipelines, breaks } = await coverage.waitFor(settled)
            const { stages } = pipelines[0]!
            expect(stages).toHaveLength(STAGES)
            const known = new Set(breaks.map(({ pipeline }) => pipeline))
            const tab = tabs.get(stages[stage]!)!
            await fault(tab)
            const newBreak = ({ breaks }: LayerCoverage) => breaks.find(({ pipeline, sequences, recoveredAfterMs }) => !known.has(pipeline) && sequences > 0 && recoveredAfterMs !== null)
            const told = newBreak(await coverage.waitFor(told => newBreak(told) !== undefined))!
            if (told.peer === stages[stage]) return told
            await endFault(tab)
          }
        }
        const struck = new Deferred<LayerCoverage['breaks'][number]>()
        let isOver = false
        const answers = await askAll({
          underWay: () => void strike().then(struck.resolve, struck.reject).finally(() => (isOver = true)),
          isOver: () => isOver
        })
        const { peer: victim, cause, detectedAfterMs, recoveredAfterMs, sequences } = await struck.promise
        expect(answers.flat().map(({ finish }) => finish)).not.toContain('')
        const ties = answers.flatMap((ofSeed, seed) => ofSeed.map(({ tokens }) => expectSameOrTied({ config: model, prompt: promptOf(seed), seed: answerSeed(seed, 0, 0) }, undisturbed[seed]!, tokens))).filter(isTie => isTie).length
        info.annotations.push({ type: 'ties', description: `${ties} of ${answers.flat().length} answers fell the other way at a tie` })
        info.annotations.push({ type: 'recovery', description: `${name} stage ${stage} of ${STAGES}: ${cause}, detected after ${detectedAfterMs.toFixed(0)} ms, ${sequences} sequences went on after ${recoveredAfterMs!.toFixed(0)} ms` })
        expect(causes).toContain(cause)
        // Somebody else comes for the one that failed.
        await tabs.get(victim)!.context().close()
        tabs.delete(victim)
        if (stage < STAGES - 1) await open()
      }
      await expectSameAsNode(trainer, [...trainer.delivered.values()].flat().slice(-256))
    })
  }
})
