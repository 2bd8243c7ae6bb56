/** A model cut over stage workers that are joined by real data channels with an added delay, and nothing else going on. */
import { parseDecoderConfig, type DecoderConfig } from '#shared/model/config.ts'
import { randomWeights } from '#shared/model/random-weights.ts'
import { bestMicroBatches } from '#shared/pipeline/micro-batching.ts'
import { createLayerCostFit, fittedLayerCost, observeLayerCost, type LayerCostFit } from '#shared/scheduling/layer-cost.ts'
import type { StepMeasured } from '#web-worker-app/worker/stage-loop.ts'
import type { Generated } from '#web-worker-app/worker/stage-worker-api.ts'
import { joinRing, openRing, type RingTab } from '../../e2e/pages/pipeline-ring.ts'

export interface PipelineLoad {
  readonly sequences: number
  /** One way, between any two stages. */
  readonly delayMs: number
  readonly tokensPerSequence: number
  /** As many as the measured costs make best, unless given. */
  readonly microBatches?: number
}

export interface PipelineThroughput {
  readonly tokens: number
  readonly seconds: number
  readonly microBatches: number
}

const PROMPT = [1, 5, 6, 8]

let config: DecoderConfig
let layersPerStage: number[] = []
let ring: RingTab[] = []
let costs: LayerCostFit[] = []
let pipeline = 0
/** Of the stage that takes the fewest. */
let maxRows = Infinity
let onEvent: (event: Generated) => void = () => {}

const pipelineBench = {
  /** @param threads of each stage's engine */
  async open(model: unknown, stages: number, threads: number): Promise<void> {
    config = parseDecoderConfig(model, 'config.json')
    const cut = Array.from({ length: stages + 1 }, (_, index) => Math.round((index * config.layers) / stages))
    layersPerStage = cut.slice(1).map((end, index) => end - cut[index]!)
    ring = await openRing(stages)
    costs = ring.map(createLayerCostFit)
    for (const [index, tab] of ring.entries()) {
      const [start, end] = [cut[index]!, cut[index + 1]!]
      const weights = randomWeights(config, 'pipeline benchmark', { start, end, embed: start === 0, head: end === config.layers })
      const preferences = { only: 'wasm', allowSoftwareAdapter: false, threads } as const
      const measured = ({ kind, rows, ms }: StepMeasured): void => {
        if (kind === 'decode') observeLayerCost(costs[index]!, { rows, ms: ms / layersPerStage[index]! }, performance.now())
      }
      const answer = await tab.load(
        { model, lora: null, layers: { start, end }, weights, preferences },
        { generated: event => onEvent(event), broken: (name, reason) => console.error(`${name}: ${reason}`), measured: (_, step) => measured(step) }
      )
      if (answer.kind === 'no_engine') throw new Error(answer.faults.join('; '))
      maxRows = Math.min(maxRows, answer.rows)
      await tab.stage.addVersion(0, { kind: 'base' })
    }
  },

  async measure({ sequences, delayMs, tokensPerSequence, microBatches }: PipelineLoad): Promise<PipelineThroughput> {
    const links = ring.length === 1 ? 0 : ring.length
    const stages = layersPerStage.map((layers, index) => ({ layers, cost: fittedLayerCost(costs[index]!) ?? { fixedMs: 0, perRowMs: 1 } }))
    const going = microBatches ?? bestMicroBatches({ stages, linksMs: links * delayMs }, sequences, maxRows)
    await joinRing(ring, ++pipeline, { encoding: 'f32', microBatches: going, delayMs })
    let tokens = 0
    let unfinished = sequences
    const start = performance.now()
    await new Promise<void>(resolve => {
      onEvent = event => {
        if (event.kind === 'token') tokens++
        else if (--unfinished === 0) resolve()
      }
      const seed = (index: number): string => (pipeline * 1000 + index).toString(16).padStart(64, '0')
      void ring[0]!.stage.request(Array.from({ length: sequences }, (_, index) => ({ key: `${pipeline}/${index}`, prompt: PROMPT, drawn: { tokens: [], logProbs: [] }, maxTokens: tokensPerSequence, seed: seed(index), temperature: 1, version: 0, interactive: true })))
    })
    return { tokens, seconds: (performance.now() - start) / 1000, microBatches: going }
  }
}

declare global {
  interface Window {
    pipelineBench: typeof pipelineBench
  }
}

window.pipelineBench = pipelineBench
