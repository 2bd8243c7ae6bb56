/** A model cut over stage workers that are joined by real data channels with an added delay, and nothing else going on. */
import { parseDecoderConfig } from '#shared/model/config.ts'
import { randomWeights } from '#shared/model/random-weights.ts'
import { bestMicroBatches } from '#shared/pipeline/micro-batching.ts'
import type { SequenceRequest } from '#shared/pipeline/pipeline-driver.ts'
import { createLayerCostFit, fittedLayerCost, observeLayerCost, type LayerCostFit } from '#shared/scheduling/layer-cost.ts'
import { stageSlice } from '#shared/scheduling/layer-range.ts'
import type { StepMeasured } from '#web-worker-app/worker/stage-loop.ts'
import type { Generated } from '#web-worker-app/worker/stage-worker-api.ts'
import { joinRing, openRing, type RingTab } from '../../e2e/pages/pipeline-ring.ts'

export interface PipelineOpening {
  /** `config.json` of the model. */
  readonly model: unknown
  readonly stages: number
  /** Of each stage's engine. */
  readonly threads: number
  /** One more tab holds what the last of two stages holds. */
  readonly withStandby: boolean
}

export interface PipelineLoad {
  /** All requested at once. */
  readonly sequences: number
  /** Added to every message's way from one stage to the next. */
  readonly delayMs: number
  /** At least 2. */
  readonly tokensPerSequence: number
}

export interface PipelineThroughput {
  readonly tokens: number
  /** From the request to the last token. */
  readonly seconds: number
  /** Sum of the speeds of all sequences, each from its first token to its last: while these run, all are in flight. */
  readonly decodeRate: number
  /** As many as the measured costs and links make best. */
  readonly microBatches: number
  /** Fraction of the time for which each stage's engine computed. */
  readonly busy: readonly number[]
}

export interface PipelineRecovery {
  /** From the order to join with the standby tab to the first new token, and until every sequence has one. */
  readonly firstSeconds: number
  readonly allSeconds: number
  /** Sequences that were not finished when it joined. */
  readonly waiting: number
  /** Sequences that did not end, or with other tokens than without the loss. */
  readonly lost: number
}

interface LoadedTab {
  readonly tab: RingTab
  readonly layers: number
  readonly cost: LayerCostFit
  busyMs: number
}

interface Generation {
  readonly tokens: number
  readonly seconds: number
  /** By sequence: its tokens, and when each was told. */
  readonly answers: readonly string[]
  readonly times: readonly (readonly number[])[]
  readonly busy: readonly number[]
}

const PROMPT = [1, 5, 6, 8]
/** Steps are reported with heartbeats, at least so often. */
const REPORTED_WITHIN_MS = 500

let ring: LoadedTab[] = []
let standby: LoadedTab | undefined
/** Once round without an added delay: what the channels themselves need. */
let linksMs = 0
/** Of the stage that takes the fewest. */
let maxRows = Infinity
let pipeline = 0
let heard: (event: Generated) => void = () => {}

async function loadTab(tab: RingTab, model: unknown, start: number, end: number, threads: number): Promise<LoadedTab> {
  const config = parseDecoderConfig(model, 'config.json')
  const loaded: LoadedTab = { tab, layers: end - start, cost: createLayerCostFit(), busyMs: 0 }
  const measured = (_: string, { kind, rows, ms }: StepMeasured): void => {
    loaded.busyMs += ms
    if (kind === 'decode') observeLayerCost(loaded.cost, { rows, ms: ms / loaded.layers }, performance.now())
  }
  const weights = randomWeights(config, 'pipeline benchmark', stageSlice(config.layers, start, end))
  const preferences = { only: 'wasm', allowSoftwareAdapter: false, threads } as const
  const listener = { generated: (event: Generated) => heard(event), broken: (name: string, reason: string) => console.error(`${name}: ${reason}`), measured }
  const answer = await tab.load({ model, lora: null, layers: { start, end }, weights, preferences }, listener)
  if (answer.kind !== 'ready') throw new Error(JSON.stringify(answer))
  maxRows = Math.min(maxRows, answer.rows)
  await tab.stage.addVersion(0, { kind: 'base' })
  return loaded
}

/** The stages learn what batches of different sizes cost, and the page what its channels do. */
async function calibrate(): Promise<void> {
  for (const sequences of [64, 32, 16, 8]) await pipelineBench.measure({ sequences, delayMs: 0, tokensPerSequence: 4 })
  const { tokens, seconds, busy } = await pipelineBench.measure({ sequences: 1, delayMs: 0, tokensPerSequence: 8 })
  const engineSeconds = seconds * busy.reduce((sum, each) => sum + each, 0)
  linksMs = Math.max(0, (1000 * (seconds - engineSeconds)) / tokens)
}

/** @returns the micro-batches that the measured costs and links make best */
async function joinFor({ sequences, delayMs }: PipelineLoad): Promise<number> {
  const stages = ring.map(({ layers, cost }) => ({ layers, cost: fittedLayerCost(cost) ?? { fixedMs: 0, perRowMs: 1 } }))
  const links = ring.length === 1 ? 0 : ring.length
  const microBatches = bestMicroBatches({ stages, linksMs: linksMs + links * delayMs }, sequences, maxRows)
  await joinRing(ring.map(({ tab }) => tab), ++pipeline, { encoding: 'f32', batching: microBatches, delayMs })
  return microBatches
}

/** The same seeds each time, so that every setting has the same tokens to generate. */
function request(index: number, maxTokens: number): SequenceRequest {
  const seed = index.toString(16).padStart(64, '0')
  return { key: String(index), prompt: PROMPT, drawn: { tokens: [], logProbs: [] }, maxTokens, seed, temperature: 1, version: 0, interactive: true }
}

async function generate({ sequences, tokensPerSequence }: PipelineLoad, told: (key: string, tokens: number) => void = () => {}): Promise<Generation> {
  const times = Array.from({ length: sequences }, (): number[] => [])
  const answers = Array.from({ length: sequences }, () => '')
  for (const loaded of ring) loaded.busyMs = 0
  const start = performance.now()
  await new Promise<void>(resolve => {
    let unfinished = sequences
    heard = event => {
      if (event.kind === 'token') {
        const own = times[Number(event.key)]!
        told(event.key, own.push(performance.now()))
      } else {
        answers[Number(event.key)] = event.tokens.join()
        if (--unfinished === 0) resolve()
      }
    }
    void ring[0]!.tab.stage.request(Array.from({ length: sequences }, (_, index) => request(index, tokensPerSequence)))
  })
  const ms = performance.now() - start
  await new Promise(resolve => setTimeout(resolve, REPORTED_WITHIN_MS))
  return { tokens: times.flat().length, seconds: ms / 1000, answers, times, busy: ring.map(({ busyMs }) => busyMs / ms) }
}

const pipelineBench = {
  async open({ model, stages, threads, withStandby }: PipelineOpening): Promise<void> {
    const { layers } = parseDecoderConfig(model, 'config.json')
    const cut = Array.from({ length: stages + 1 }, (_, index) => Math.round((index * layers) / stages))
    const tabs = await openRing(withStandby ? stages + 1 : stages)
    const loaded: LoadedTab[] = []
    for (const [index, tab] of tabs.entries()) loaded.push(await loadTab(tab, model, cut[Math.min(index, stages - 1)]!, cut[Math.min(index + 1, stages)]!, threads))
    ring = loaded.slice(0, stages)
    standby = loaded[stages]
    await calibrate()
  },

  async measure(load: PipelineLoad): Promise<PipelineThroughput> {
    const microBatches = await joinFor(load)
    const { tokens, seconds, times, busy } = await generate(load)
    const rates = times.map(own => (own.length < 2 ? 0 : (1000 * (own.length - 1)) / (own.at(-1)! - own[0]!)))
    return { tokens, seconds, decodeRate: rates.reduce((sum, rate) => sum + rate, 0), microBatches, busy }
  },

  /** The last of two stages stands still in the middle of the answers, and the standby tab takes its place; the next time they change places again. */
  async recover(load: PipelineLoad): Promise<PipelineRecovery> {
    if (standby === undefined) throw new Error('opened without a standby')
    await joinFor(load)
    const undisturbed = await generate(load)
    await joinFor(load)
    const frozen = ring[1]!
    let replacing: Promise<void> | undefined
    let orderedAt = 0
    let isReplaced = false
    const waitMs = new Map<string, number>()
    const replace = async (): Promise<void> => {
      await frozen.tab.stage.hold()
      orderedAt = performance.now()
      ring = [ring[0]!, standby!]
      await joinFor(load)
      isReplaced = true
    }
    const disturbed = await generate(load, (key, tokens) => {
      if (tokens > load.tokensPerSequence / 2) replacing ??= replace()
      if (isReplaced && !waitMs.has(key)) waitMs.set(key, performance.now() - orderedAt)
    })
    await replacing
    await frozen.tab.stage.release()
    standby = frozen
    const waits = [...waitMs.values()].map(ms => ms / 1000)
    const lost = disturbed.answers.filter((answer, index) => answer !== undisturbed.answers[index]).length
    return { firstSeconds: Math.min(...waits), allSeconds: Math.max(...waits), waiting: waits.length, lost }
  }
}

declare global {
  interface Window {
    pipelineBench: typeof pipelineBench
  }
}

window.pipelineBench = pipelineBench
