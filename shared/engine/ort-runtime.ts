import type { InferenceSession, InferenceSessionFactory, TensorConstructor } from 'onnxruntime-common'

/** The part of onnxruntime that we use; onnxruntime-node, onnxruntime-web/wasm and onnxruntime-web/webgpu all provide it. */
export interface OrtRuntime {
  readonly InferenceSession: InferenceSessionFactory
  readonly Tensor: TensorConstructor
}

/** Threads never spin while they wait: tabs and the trainer share the machine with their owner's work. */
export function cpuSessionOptions(provider: 'cpu' | 'wasm', threads: number): InferenceSession.SessionOptions {
  return {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: '0' } } }
  }
}
