import binaryUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import * as runtime from 'onnxruntime-web/wasm'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { fetchEngineFile } from './engine-files.ts'
import { timedRuntime, type RunTimer } from './timed-runtime.ts'
import type { TabEngineOptions } from './webgpu-engine.ts'

/**
 * Before the first engine of a worker.
 * @throws {EngineFilesUnreachable}
 */
export async function loadWasmRuntime(): Promise<void> {
  runtime.env.wasm.wasmBinary = await fetchEngineFile(binaryUrl)
}

/**
 * A slice on the CPU.
 * @param threads more than one needs a cross-origin isolated page, and is fixed by the first engine of the worker
 * @param timer counts the time spent in onnxruntime
 */
export async function createWasmEngine(threads: number, options: TabEngineOptions, timer?: RunTimer): Promise<SliceEngine> {
  runtime.env.wasm.numThreads = threads
  const engine = await createOrtSliceEngine({ ...options, runtime: timer === undefined ? runtime : timedRuntime(runtime, timer), kind: 'wasm', sessionOptions: cpuSessionOptions('wasm', threads) })
  delete runtime.env.wasm.wasmBinary
  return engine
}
