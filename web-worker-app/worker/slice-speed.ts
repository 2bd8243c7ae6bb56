import type { KvCache, SliceEngine } from '#shared/engine/slice-engine.ts'
import type { RunTimer } from '../engine/timed-runtime.ts'
import type { StepMeasured } from './stage-loop.ts'
import type { Throughput } from './throughput.ts'

/** Decodes `steps` tokens for `rows` sequences of zeros. A slice has no tokens of its own: rows · steps are counted as if it had. */
export async function measureSlice(engine: SliceEngine, timer: RunTimer, rows: number, steps: number): Promise<Throughput> {
  const cache = engine.createCache(rows, steps)
  const engineBefore = timer.milliseconds
  const start = performance.now()
  for (let step = 1; step <= steps; step++) await forward(engine, cache, rows, 1, step)
  const seconds = (performance.now() - start) / 1000
  cache.release()
  return { rows, tokens: rows * steps, seconds, engineSeconds: (timer.milliseconds - engineBefore) / 1000 }
}

const PROFILE_ROWS = [1, 8]
const PROFILE_PROMPT = 8
const PROFILE_STEPS = 3
/** An engine this slow with one row is not kept waiting for more. */
const SLOW_MS = 2000

/**
 * What steps cost before there is any work, so that whoever schedules has something to go by. Rows of zeros: a prefill of each
 * size, and decode steps. The first round of each size is not counted: engines prepare themselves for shapes that are new to them.
 */
export async function profileSteps(engine: SliceEngine): Promise<StepMeasured[]> {
  const measured: StepMeasured[] = []
  for (const rows of PROFILE_ROWS) {
    await profileRound(engine, rows)
    const round = await profileRound(engine, rows)
    measured.push(...round)
    if (round.some(({ ms }) => ms > SLOW_MS)) break
  }
  return measured
}

async function profileRound(engine: SliceEngine, rows: number): Promise<StepMeasured[]> {
  const prompt = Math.min(PROFILE_PROMPT, engine.config.contextLength - PROFILE_STEPS)
  const cache = engine.createCache(rows, prompt + PROFILE_STEPS)
  const timed = async (kind: StepMeasured['kind'], steps: number, length: number): Promise<StepMeasured> => {
    const start = performance.now()
    await forward(engine, cache, rows, steps, length)
    return { kind, rows: rows * steps, ms: performance.now() - start }
  }
  try {
    const measured = [await timed('prefill', prompt, prompt)]
    for (let step = 1; step <= PROFILE_STEPS; step++) measured.push(await timed('decode', 1, prompt + step))
    return measured
  } finally {
    cache.release()
  }
}

/** One call with `steps` new tokens in each row, of which the cache holds `length` afterwards. */
async function forward(engine: SliceEngine, cache: KvCache, rows: number, steps: number, length: number): Promise<void> {
  const { embed, head } = engine.slice
  const content = embed ? { tokens: new Int32Array(rows * steps) } : { hidden: new Float32Array(rows * steps * engine.config.hiddenSize) }
  const logitRows = head ? { logitRows: Int32Array.from({ length: rows }, (_, row) => row * steps + steps - 1) } : {}
  await engine.forward({ ...content, ...logitRows, rows, steps, lengths: new Int32Array(rows).fill(length) }, cache)
}
