/** Token/s of a model cut over one to four stage workers in real Chromium, joined by data channels with an added delay. */
import { chromium } from 'playwright-core'
import { createServer } from 'vite'
import { CHROMIUM_SWITCHES, resolveChromium } from '../cli/chromium.ts'
import { ROOT } from '../cli/child-process.ts'
import { toHuggingFaceConfig, type DecoderConfig } from '#shared/model/config.ts'
import { parameterCount } from '#shared/model/tensor-names.ts'
import type { Benchmark, BenchmarkResult, Cell } from './benchmark.ts'
import { cpuSeconds } from './process-cpu.ts'

const STAGES = [1, 2, 3, 4]
const DELAYS_MS = [0, 20, 50]
const SEQUENCES = [1, 8, 32, 64]
/** At least so many tokens of each sequence are timed. */
const TOKENS_PER_SEQUENCE = 16

/**
 * Large enough that computing a round of 64 sequences takes longer than a token's way round four links of 50 ms: below
 * that size no schedule can hide the links (see the note on the shipped model).
 */
const MODEL: DecoderConfig = {
  architecture: 'qwen3',
  vocabSize: 1024,
  hiddenSize: 1024,
  intermediateSize: 2816,
  layers: 8,
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

interface Measured {
  readonly stages: number
  readonly delayMs: number
  readonly sequences: number
  readonly microBatches: number
  readonly rate: number
  readonly cores: number | undefined
}

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  const server = await createServer({
    root: ROOT,
    cacheDir: 'node_modules/.vite-bench-pipeline',
    server: { host: '127.0.0.1', port: 0 },
    optimizeDeps: { noDiscovery: true, include: ['simple-peer/simplepeer.min.js'] },
    logLevel: 'warn'
  })
  await server.listen()
  const browser = await chromium.launchServer({ executablePath: resolveChromium(), args: CHROMIUM_SWITCHES })
  const measured: Measured[] = []
  try {
    for (const stages of STAGES) {
      const connection = await chromium.connect(browser.wsEndpoint())
      const page = await connection.newPage()
      await page.goto(`${server.resolvedUrls!.local[0]}bench/pages/pipeline.html`)
      await page.waitForFunction(() => 'pipelineBench' in window)
      log(`${stages} stage(s): loading`)
      await page.evaluate(([model, stages]) => window.pipelineBench.open(model, stages, 1), [toHuggingFaceConfig(MODEL), stages] as const)
      const measure = async (sequences: number, delayMs: number, microBatches?: number): Promise<Measured> => {
        const before = cpuSeconds(browser.process().pid!)
        const load = { sequences, delayMs, tokensPerSequence: TOKENS_PER_SEQUENCE, ...(microBatches !== undefined && { microBatches }) }
        const result = await page.evaluate(load => window.pipelineBench.measure(load), load)
        const after = cpuSeconds(browser.process().pid!)
        return {
          stages,
          delayMs,
          sequences,
          microBatches: result.microBatches,
          rate: result.tokens / result.seconds,
          cores: before === undefined || after === undefined ? undefined : (after - before) / result.seconds
        }
      }
      // The stages learn what batches of different sizes cost them.
      for (const sequences of [64, 8, 32, 16]) await measure(sequences, 0, stages)
      for (const sequences of SEQUENCES) {
        for (const delayMs of stages === 1 ? [0] : DELAYS_MS) {
          const row = await measure(sequences, delayMs)
          measured.push(row)
          log(`${stages} stage(s), ${delayMs} ms, ${sequences} sequences in ${row.microBatches} micro-batches: ${row.rate.toFixed(0)} token/s`)
        }
      }
      await connection.close()
    }
  } finally {
    await browser.close()
    await server.close()
  }
  const rate = (stages: number, delayMs: number, sequences: number): number => measured.find(row => row.stages === stages && row.delayMs === delayMs && row.sequences === sequences)!.rate
  const rows = measured.map(
    ({ stages, delayMs, sequences, microBatches, cores }): Record<string, Cell> => ({
      stages,
      'one-way delay, ms': delayMs,
      sequences,
      'micro-batches': microBatches,
      'token/s': Math.round(rate(stages, delayMs, sequences)),
      'of the same at 0 ms': rate(stages, delayMs, sequences) / rate(stages, 0, sequences),
      'of one stage': rate(stages, delayMs, sequences) / rate(1, 0, sequences),
      'cores used': cores ?? ''
    })
  )
  const retention = (stages: number): number => rate(stages, 50, 64) / rate(stages, 0, 64)
  return {
    rows,
    headline: {
      retention50ms64: Math.min(...STAGES.filter(stages => stages > 1).map(retention)),
      twoStageEfficiency: rate(2, 0, 64) / rate(1, 0, 64)
    },
    notes: [
      `random model of ${(parameterCount(MODEL) / 1e6).toFixed(0)} M parameters (d = ${MODEL.hiddenSize}, ${MODEL.layers} layers), one WASM thread per stage, all stages in one browser on the cores named above; retention50ms64 is the least over 2, 3 and 4 stages`,
      'the delay is added to every message between two stages, the one that returns the token included'
    ]
  }
}

export const pipelineBenchmark: Benchmark = { name: 'pipeline', what: 'a model cut over stages in Chromium, at growing delays and loads', run }
