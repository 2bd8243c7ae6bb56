import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'
import type { RunTimer } from '../engine/timed-runtime.ts'

export interface ThroughputRequest {
  /** Sequences decoded at once. */
  readonly rows: number
  readonly prompt: readonly number[]
  /** Samples of the prompt, generated `rows` at a time. */
  readonly samples: number
  readonly maxTokens: number
}

export interface Throughput {
  readonly rows: number
  /** Generated, the end-of-sequence tokens included. */
  readonly tokens: number
  readonly seconds: number
  /** The part of `seconds` spent in onnxruntime. */
  readonly engineSeconds: number
}

/** Generates as for a lease, with seeds of its own, and measures. */
export async function measureThroughput(engine: SliceEngine, timer: RunTimer, { rows, prompt, samples, maxTokens }: ThroughputRequest): Promise<Throughput> {
  const generator = new BatchGenerator({ engine, uniform, maxRows: rows })
  generator.submit({
    prompt: Int32Array.from(prompt),
    samples: Array.from({ length: samples }, (_, index) => ({ id: String(index), seed: index.toString(16).padStart(64, '0') })),
    maxTokens
  })
  const engineBefore = timer.milliseconds
  const start = performance.now()
  let tokens = 0
  while (generator.pending > 0) for (const finished of await generator.step()) tokens += finished.tokens.length
  return { rows, tokens, seconds: (performance.now() - start) / 1000, engineSeconds: (timer.milliseconds - engineBefore) / 1000 }
}
