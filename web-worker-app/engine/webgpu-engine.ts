import binaryUrl from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url'
import * as runtime from 'onnxruntime-web/webgpu'
import { createOrtSliceEngine, type OrtSliceEngineOptions } from '#shared/engine/ort-slice-engine.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { fetchEngineFile } from './engine-files.ts'
import { timedRuntime, type RunTimer } from './timed-runtime.ts'
import { WebGpuBuffers } from './webgpu-buffers.ts'

export type TabEngineOptions = Omit<OrtSliceEngineOptions, 'runtime' | 'kind' | 'sessionOptions' | 'gpuMemory'>

/**
 * Opens the GPU, or returns undefined when there is none or only a software one: that is far slower than WASM.
 * @param options.allowSoftware for tests on machines without a GPU
 */
export async function openGpuDevice(options: { readonly allowSoftware: boolean }): Promise<GPUDevice | undefined> {
  const adapter = (await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? undefined
  if (adapter === undefined) return undefined
  const software = adapter.info.isFallbackAdapter || adapter.info.architecture === 'swiftshader'
  if (software && !options.allowSoftware) return undefined
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX } = adapter.limits
  return adapter.requestDevice({
    requiredFeatures: (['shader-f16', 'subgroups'] as const).filter(feature => adapter.features.has(feature)),
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX }
  })
}

/**
 * Before the first engine of a worker.
 * @throws {EngineFilesUnreachable}
 */
export async function loadWebGpuRuntime(): Promise<void> {
  runtime.env.wasm.wasmBinary = await fetchEngineFile(binaryUrl)
}

/**
 * A slice on the GPU. When the device is lost, end the worker and start another: onnxruntime does not recover.
 * @param timer counts the time spent in onnxruntime
 */
export async function createWebGpuEngine(device: GPUDevice, options: TabEngineOptions, timer?: RunTimer): Promise<SliceEngine> {
  const engine = await createOrtSliceEngine({
    ...options,
    runtime: timer === undefined ? runtime : timedRuntime(runtime, timer),
    kind: 'webgpu',
    gpuMemory: new WebGpuBuffers(runtime, device),
    // An operator without a GPU kernel is an error here, not a silent copy to the CPU and back.
    sessionOptions: { executionProviders: [{ name: 'webgpu', device }], extra: { session: { disable_cpu_ep_fallback: '1' } } }
  })
  delete runtime.env.wasm.wasmBinary
  return engine
}
