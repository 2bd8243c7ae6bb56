/**
 * What a tab may use for its slice. The volunteer's cap leads: WebGPU tells no amount of memory and grants more than there is without an
 * error, so a budget must be stated, it cannot be probed.
 */
export interface MemoryLimits {
  /** Set by the volunteer. */
  readonly capBytes: number
  /** `GPUSupportedLimits` of the device in use; absent on WASM. */
  readonly webgpu?: { readonly maxBufferSize: number; readonly maxStorageBufferBindingSize: number }
}

export interface MemoryBudget {
  readonly memoryBytes: number
  /** No single tensor may be larger. */
  readonly largestTensorBytes: number
}

/** Addresses of a 32-bit WebAssembly memory; on WASM the weights lie in it. */
const WASM32_BYTES = 4 * 1024 ** 3
/** Of it, for the runtime itself and for activations. */
const WASM_RUNTIME_BYTES = 256 * 1024 ** 2

export function memoryBudget({ capBytes, webgpu }: MemoryLimits): MemoryBudget {
  const memoryBytes = webgpu === undefined ? Math.min(capBytes, WASM32_BYTES - WASM_RUNTIME_BYTES) : capBytes
  const largest = webgpu === undefined ? memoryBytes : Math.min(webgpu.maxBufferSize, webgpu.maxStorageBufferBindingSize)
  return { memoryBytes, largestTensorBytes: Math.min(memoryBytes, largest) }
}
