import * as runtime from 'onnxruntime-web/wasm'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { timedRuntime, type RunTimer } from './timed-runtime.ts'
import type { TabEngineOptions } from './webgpu-engine.ts'

/**
 * A slice on the CPU.
 * @param threads more than one needs a cross-origin isolated page, and is fixed by the first engine of the worker
 * @param timer counts the time spent in onnxruntime
 */
export function createWasmEngine(threads: number, options: TabEngineOptions, timer?: RunTimer): Promise<SliceEngine> {
  runtime.env.wasm.numThreads = threads
  return createOrtSliceEngine({ ...options, runtime: timer === undefined ? runtime : timedRuntime(runtime, timer), kind: 'wasm', sessionOptions: cpuSessionOptions('wasm', threads) })
}
