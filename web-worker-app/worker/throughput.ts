import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { createPipelineDriver, stepPipelineDriver, type DriverInput } from '#shared/pipeline/pipeline-driver.ts'
import type { StageWork } from '#shared/pipeline/stage-work.ts'
import { Stage } from '#shared/pipeline/stage.ts'
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

/** Generates as for a lease, with seeds of its own and the version that the engine has, and measures. */
export async function measureThroughput(engine: SliceEngine, timer: RunTimer, { rows, prompt, samples, maxTokens }: ThroughputRequest): Promise<Throughput> {
  const driver = createPipelineDriver({ eosTokenIds: engine.config.eosTokenIds, maxRows: rows }, 1)
  const stage = new Stage({ engine, uniform, maxRows: rows, useVersion: () => Promise.resolve() })
  const works: StageWork[] = []
  let tokens = 0
  const drive = (input: DriverInput): void => {
    for (const effect of stepPipelineDriver(driver, input)) {
      if (effect.kind === 'run') works.push(effect.work)
      else if (effect.kind === 'end') stage.end(effect.microBatch)
      else if (effect.kind === 'finished') tokens += effect.tokens.length
    }
  }
  const engineBefore = timer.milliseconds
  const start = performance.now()
  const request = { prompt, drawn: { tokens: [], logProbs: [] }, maxTokens, temperature: 1, version: 0, interactive: false }
  drive({ kind: 'requested', requests: Array.from({ length: samples }, (_, index) => ({ ...request, key: String(index), seed: index.toString(16).padStart(64, '0') })) })
  for (let work = works.shift(); work !== undefined; work = works.shift()) {
    const drawn = await stage.run(work)
    if (drawn.kind === 'drawn') drive({ kind: 'drawn', drawn })
  }
  return { rows, tokens, seconds: (performance.now() - start) / 1000, engineSeconds: (timer.milliseconds - engineBefore) / 1000 }
}
