import { memoryBudget, type MemoryBudget } from '#shared/scheduling/memory-budget.ts'

/** What this device may be asked to hold, whichever engine will be chosen for it. */
export async function memoryToLend(capBytes: number): Promise<MemoryBudget> {
  const onWasm = memoryBudget({ capBytes })
  const adapter = await navigator.gpu?.requestAdapter()
  if (!adapter) return onWasm
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits
  const onGpu = memoryBudget({ capBytes, webgpu: { maxBufferSize, maxStorageBufferBindingSize } })
  return { memoryBytes: Math.min(onWasm.memoryBytes, onGpu.memoryBytes), largestTensorBytes: Math.min(onWasm.largestTensorBytes, onGpu.largestTensorBytes) }
}
