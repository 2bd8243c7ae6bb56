import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import type { RunTimer } from '../engine/timed-runtime.ts'
import type { Throughput } from './throughput.ts'

/** Decodes `steps` tokens for `rows` sequences of zeros. A slice has no tokens of its own: rows · steps are counted as if it had. */
export async function measureSlice(engine: SliceEngine, timer: RunTimer, rows: number, steps: number): Promise<Throughput> {
  const { embed, head } = engine.slice
  const cache = engine.createCache(rows, steps)
  const engineBefore = timer.milliseconds
  const start = performance.now()
  for (let step = 1; step <= steps; step++) {
    const content = embed ? { tokens: new Int32Array(rows) } : { hidden: new Float32Array(rows * engine.config.hiddenSize) }
    const logitRows = head ? { logitRows: Int32Array.from({ length: rows }, (_, row) => row) } : {}
    await engine.forward({ ...content, ...logitRows, rows, steps: 1, lengths: new Int32Array(rows).fill(step) }, cache)
  }
  const seconds = (performance.now() - start) / 1000
  cache.release()
  return { rows, tokens: rows * steps, seconds, engineSeconds: (timer.milliseconds - engineBefore) / 1000 }
}
