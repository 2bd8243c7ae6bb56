/** Token/s of a model cut over stage workers in real Chromium, joined by data channels with an added delay, and how long it takes to replace a stage. */
import type { DecoderConfig } from '#shared/model/config.ts'
import { parameterCount } from '#shared/model/tensor-names.ts'
import type { Benchmark, BenchmarkResult, Cell } from '../benchmark.ts'
import { MeasuredLoads, type Setting } from './measured-loads.ts'
import { PipelineSession, type PipelinePage } from './pipeline-session.ts'

const DELAYS_MS = [0, 20, 50]
/** Targets are set on so many in flight. */
const TARGET_SEQUENCES = 64

interface Plan {
  readonly name: string
  readonly model: DecoderConfig
  readonly stages: readonly number[]
  readonly sequences: readonly number[]
  readonly tokensPerSequence: number
  /** How often loads of `TARGET_SEQUENCES` or more are measured, all settings in turn: two cores that do nothing else still differ by 5 % from one time to the next. */
  readonly rounds: number
}

/**
 * Layers nearly as large as those of Qwen3-0.6B. One more token for each of 64 sequences takes one WASM thread more than a second, several times
 * what a token needs for four links of 50 ms: with less to compute no schedule can hide the links.
 */
const LARGE_MODEL: DecoderConfig = {
  architecture: 'qwen3',
  vocabSize: 1024,
  hiddenSize: 1024,
  intermediateSize: 2816,
  layers: 16,
  heads: 16,
  kvHeads: 8,
  headDim: 64,
  rmsNormEpsilon: 1e-6,
  ropeTheta: 10_000,
  tiedEmbeddings: false,
  contextLength: 64,
  qkNorm: true,
  bosTokenId: 1,
  padTokenId: 0,
  eosTokenIds: [2]
}
const LARGE: Plan = { name: 'large', model: LARGE_MODEL, stages: [2, 3, 4], sequences: [1, 8, 32, TARGET_SEQUENCES], tokensPerSequence: 10, rounds: 5 }

/** Of the shape of the shipped model, whose 64 sequences are computed in a small part of the time that links need: more in flight hide it. */
const SHIPPED: Plan = {
  name: 'as shipped',
  model: { ...LARGE_MODEL, vocabSize: 99, hiddenSize: 128, intermediateSize: 384, layers: 4, heads: 4, kvHeads: 2, headDim: 32, contextLength: 256 },
  stages: [2],
  sequences: [TARGET_SEQUENCES, 8 * TARGET_SEQUENCES],
  tokensPerSequence: 48,
  rounds: 2
}

interface Recovery {
  readonly seconds: number
  readonly row: Record<string, Cell>
}

/** Two stages are measured in turn with one tab, once with a thread and once with as many as both stages have. */
async function measure(plan: Plan, session: PipelineSession, loads: MeasuredLoads, log: (line: string) => void): Promise<Recovery[]> {
  const { name: model, tokensPerSequence } = plan
  const open = (stages: number, threads: number): Promise<PipelinePage> => {
    log(`${model}: opening ${stages} stage(s) of ${threads} thread(s)`)
    return session.open(plan.model, { stages, threads, withStandby: stages === 2 })
  }
  const recoveries: Recovery[] = []
  for (const stages of plan.stages) {
    const pages = new Map<Omit<Setting, 'sequences'>, PipelinePage>()
    if (stages === 2) for (const threads of [1, 2]) pages.set({ model, stages: 1, threads, delayMs: 0 }, await open(1, threads))
    const pipeline = await open(stages, 1)
    for (const delayMs of DELAYS_MS) pages.set({ model, stages, threads: 1, delayMs }, pipeline)
    for (const sequences of plan.sequences) {
      for (let round = 0; round < (sequences >= TARGET_SEQUENCES ? plan.rounds : 1); round++) {
        for (const [setting, page] of pages) {
          const load = await page.measure({ sequences, delayMs: setting.delayMs, tokensPerSequence })
          loads.add({ ...setting, sequences }, load)
          log(`${model}, ${setting.stages} × ${setting.threads}, ${setting.delayMs} ms, ${sequences} sequences in ${load.microBatches} micro-batches: ${load.decodeRate.toFixed(0)} token/s`)
        }
      }
    }
    if (stages === 2) recoveries.push(await recover(plan, pipeline, log))
    for (const page of new Set(pages.values())) await page.close()
  }
  return recoveries
}

async function recover({ name: model, tokensPerSequence }: Plan, pipeline: PipelinePage, log: (line: string) => void): Promise<Recovery> {
  const delayMs = Math.max(...DELAYS_MS)
  const { firstSeconds, allSeconds, waiting, lost } = await pipeline.recover({ sequences: TARGET_SEQUENCES, delayMs, tokensPerSequence })
  log(`${model}: a stage replaced at ${delayMs} ms, all ${waiting} sequences go on after ${allSeconds.toFixed(2)} s, ${lost} lost`)
  const row = { model, stages: 2, 'threads each': 1, 'one-way delay, ms': delayMs, sequences: waiting, 'first goes on after, s': firstSeconds, 'all go on after, s': allSeconds, 'lost or changed': lost }
  if (lost > 0) throw new Error(`${lost} sequences were lost or changed by the replacement of a stage`)
  return { seconds: allSeconds, row }
}

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  const session = await PipelineSession.start()
  const loads = new MeasuredLoads()
  try {
    const shippedRecoveries = await measure(SHIPPED, session, loads, log)
    const largeRecoveries = await measure(LARGE, session, loads, log)
    const large = (stages: number, delayMs: number): Setting => ({ model: LARGE.name, stages, threads: 1, delayMs, sequences: TARGET_SEQUENCES })
    const retained = LARGE.stages.map(stages => loads.tokensPerSecond(large(stages, 50)) / loads.tokensPerSecond(large(stages, 0)))
    return {
      rows: [...loads.rows(), ...[...shippedRecoveries, ...largeRecoveries].map(({ row }) => row)],
      headline: {
        retention50ms64: Math.min(...retained),
        twoStageEfficiency: loads.tokensPerSecond(large(2, 0)) / loads.tokensPerSecondOfOneTab(LARGE.name, TARGET_SEQUENCES),
        twoStageEfficiencyPerCpu: loads.tokensPerCpuSecond(large(2, 0)) / loads.tokensPerCpuSecond(large(1, 0)),
        recoverySeconds: Math.max(...shippedRecoveries.map(({ seconds }) => seconds))
      },
      notes: [
        `"large": random, ${(parameterCount(LARGE.model) / 1e6).toFixed(0)} M parameters (${LARGE.model.layers} layers, d = ${LARGE.model.hiddenSize}), answers of ${LARGE.tokensPerSequence} tokens; "as shipped": random, of the shipped model's shape, answers of ${SHIPPED.tokensPerSequence}`,
        `WASM, all stages in one browser on the cores named above; token/s is what all sequences decode from their first token to their last; ${TARGET_SEQUENCES} or more in flight: means of ${LARGE.rounds} (large) and ${SHIPPED.rounds} rounds, all settings in turn`,
        'the delay is added to every message between two stages, the one that returns the token included; retention50ms64 is the least over 2, 3 and 4 stages of the large model',
        'twoStageEfficiency: beside the faster of one tab with one thread and one tab with two; twoStageEfficiencyPerCpu: tokens per CPU-second of the whole browser, beside one tab with one thread',
        'recovery: the last of two stages stands still in the middle of the answers; from the order to go on with a tab that holds the same layers until every sequence has its next token; detection not included. recoverySeconds is that of the model as shipped. Every answer was compared with an undisturbed one'
      ]
    }
  } finally {
    await session.close()
  }
}

export const pipelineBenchmark: Benchmark = { name: 'pipeline', what: 'a model cut over stages in Chromium, at growing delays and loads', run }
