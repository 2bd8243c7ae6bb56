import { runSelfTest } from '#shared/engine/golden-self-test.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import type { DecoderConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { ModelSlice } from '#shared/model/tensor-names.ts'
import { EngineFilesUnreachable, importEngine } from '../engine/engine-files.ts'
import type { RunTimer } from '../engine/timed-runtime.ts'
import type { TabEngineOptions } from '../engine/webgpu-engine.ts'
import type { BrowserEngine, EnginePreferences, KnownEngine, LoadAnswer } from './stage-worker-api.ts'
import { measureSlice } from './slice-speed.ts'
import { measureThroughput, type Throughput } from './throughput.ts'

export interface ChosenEngine {
  readonly kind: BrowserEngine
  readonly engine: SliceEngine
  readonly timer: RunTimer
  readonly rows: number
  readonly measured: readonly Throughput[]
}

export interface EngineRequest {
  readonly config: DecoderConfig
  readonly lora: LoraConfig | null
  /** The whole model unless given. */
  readonly slice?: ModelSlice
  readonly weights: Tensors
  readonly preferences: EnginePreferences
  readonly known?: KnownEngine
}

export type EngineChoice = { readonly kind: 'chosen'; readonly chosen: ChosenEngine } | Exclude<LoadAnswer, { readonly kind: 'ready' }>

type MakeEngine = (options: TabEngineOptions) => Promise<SliceEngine>

const ROWS_TRIED = [32, 64]
const MEASURED_TOKENS = 12
/** An engine this slow with few rows is not measured with more. */
const SLOW_SECONDS = 2

/** Tries every engine that the device may have: those that pass the self-test are measured, the fastest is kept. */
export async function chooseEngine(request: EngineRequest): Promise<EngineChoice> {
  const faults: string[] = []
  let chosen: ChosenEngine | undefined
  for (const kind of ['webgpu', 'wasm'] as const) {
    const only = request.known?.engine ?? request.preferences.only
    if (only !== undefined && only !== kind) continue
    try {
      const candidate = await tryEngine(kind, request)
      if (candidate === undefined) continue
      const loser = chosen === undefined || bestSpeed(candidate) > bestSpeed(chosen) ? chosen : candidate
      await loser?.engine.release()
      if (loser !== candidate) chosen = candidate
    } catch (error) {
      const reason = `${kind}: ${error instanceof Error ? error.message : String(error)}`
      if (error instanceof EngineFilesUnreachable) return { kind: 'files_unreachable', reason }
      faults.push(reason)
    }
  }
  if (chosen === undefined && faults.length === 0) faults.push('webgpu: no usable adapter')
  return chosen === undefined ? { kind: 'no_engine', faults } : { kind: 'chosen', chosen }
}

async function tryEngine(kind: BrowserEngine, { config, lora, slice, weights, preferences, known }: EngineRequest): Promise<ChosenEngine | undefined> {
  const timer: RunTimer = { milliseconds: 0 }
  const make = await (kind === 'webgpu' ? openWebGpu(preferences, timer) : openWasm(preferences, timer))
  if (make === undefined) return undefined
  if (known?.engine !== kind) {
    const selfTest = await runSelfTest((goldenConfig, goldenWeights, goldenLora) => make({ config: goldenConfig, weights: goldenWeights, lora: goldenLora }))
    if (!selfTest.ok) throw new Error(`the self-test's logits are wrong by ${selfTest.maxDifference}`)
  }
  const engine = await make({ config, weights, ...(lora !== null && { lora }), ...(slice !== undefined && { slice }) })
  if (known?.engine === kind) return { kind, engine, timer, rows: known.rows, measured: [] }
  const measured: Throughput[] = []
  for (const rows of ROWS_TRIED) {
    if (measured.some(({ seconds }) => seconds > SLOW_SECONDS)) break
    const whole = engine.slice.embed && engine.slice.head
    measured.push(
      await (whole ? measureThroughput(engine, timer, { rows, prompt: [config.bosTokenId], samples: rows, maxTokens: MEASURED_TOKENS }) : measureSlice(engine, timer, rows, MEASURED_TOKENS))
    )
  }
  const rows = measured.reduce((best, next) => (speed(next) > speed(best) ? next : best)).rows
  return { kind, engine, timer, rows, measured }
}

/** The bundles are loaded where they are needed: each is many megabytes. */
async function openWebGpu({ allowSoftwareAdapter }: EnginePreferences, timer: RunTimer): Promise<MakeEngine | undefined> {
  const { createWebGpuEngine, openGpuDevice, loadWebGpuRuntime } = await importEngine(() => import('../engine/webgpu-engine.ts'))
  const device = await openGpuDevice({ allowSoftware: allowSoftwareAdapter })
  if (device === undefined) return undefined
  await loadWebGpuRuntime()
  return options => createWebGpuEngine(device, options, timer)
}

async function openWasm({ threads }: EnginePreferences, timer: RunTimer): Promise<MakeEngine> {
  const { createWasmEngine, loadWasmRuntime } = await importEngine(() => import('../engine/wasm-engine.ts'))
  await loadWasmRuntime()
  return options => createWasmEngine(globalThis.crossOriginIsolated ? threads : 1, options, timer)
}

function bestSpeed({ measured }: ChosenEngine): number {
  return Math.max(...measured.map(speed))
}

function speed({ tokens, seconds }: Throughput): number {
  return tokens / seconds
}
