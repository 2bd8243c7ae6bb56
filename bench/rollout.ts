/** Token/s of one WASM tab in real Chromium, and how much of its time is ours rather than the engine's. */
import { chromium } from 'playwright-core'
import { createServer } from 'vite'
import { resolveChromium } from '../cli/chromium.ts'
import { ROOT } from '../cli/child-process.ts'
import { median, type Benchmark, type BenchmarkResult, type Cell } from './benchmark.ts'

const BATCHES = [1, 8, 32, 64]
const ROUNDS = 5
/** Lengths of the default task's prompts and answers, and the longest that its run file allows. */
const PROMPT_TOKENS = 8
const MAX_TOKENS = 16

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  const server = await createServer({
    root: ROOT,
    // Its own cache, so that it may run beside another development server.
    cacheDir: 'node_modules/.vite-bench',
    server: { host: '127.0.0.1', port: 0 },
    optimizeDeps: { noDiscovery: true },
    logLevel: 'warn'
  })
  const browser = await chromium.launch({ executablePath: resolveChromium(), args: ['--no-sandbox', '--disable-background-networking'] })
  try {
    await server.listen()
    const page = await browser.newPage()
    await page.goto(`${server.resolvedUrls!.local[0]}bench/pages/rollout.html`)
    await page.waitForFunction(() => 'rollouts' in window)
    const measure = (rows: number) =>
      page.evaluate(request => window.rollouts.measure(request), { rows, promptTokens: PROMPT_TOKENS, maxTokens: MAX_TOKENS })
    await measure(8)
    const samples = new Map<number, { rate: number; overhead: number }[]>(BATCHES.map(rows => [rows, []]))
    for (let round = 0; round < ROUNDS; round++) {
      log(`round ${round + 1} of ${ROUNDS}: batches of ${BATCHES.join(', ')} in turn`)
      for (const rows of BATCHES) {
        const { tokens, seconds, engineSeconds } = await measure(rows)
        samples.get(rows)!.push({ rate: tokens / seconds, overhead: 1 - engineSeconds / seconds })
      }
    }
    const rate = (rows: number): number => median(samples.get(rows)!.map(sample => sample.rate))
    const overhead = (rows: number): number => median(samples.get(rows)!.map(sample => sample.overhead))
    const rows = BATCHES.map(
      (batch): Record<string, Cell> => ({
        batch,
        'token/s': Math.round(rate(batch)),
        'times batch 1': rate(batch) / rate(1),
        'fraction in the engine': 1 - overhead(batch),
        'fraction ours': overhead(batch)
      })
    )
    return {
      rows,
      headline: { tokensPerSecondBatch32: rate(32), overheadFractionBatch32: overhead(32) },
      notes: [`one tab, one WASM thread, shipped model with LoRA r 8 on all projections, prompts of ${PROMPT_TOKENS} and answers of up to ${MAX_TOKENS} tokens; medians of ${ROUNDS} rounds`]
    }
  } finally {
    await browser.close()
    await server.close()
  }
}

export const rolloutBenchmark: Benchmark = { name: 'rollout', what: 'one WASM tab in Chromium at growing batch sizes', run }
