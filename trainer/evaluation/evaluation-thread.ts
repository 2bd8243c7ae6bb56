import type { Tensors } from '#shared/model/tensor.ts'
import type { Evaluation } from '#shared/protocol/run-report.ts'
import { openWorkerThread } from '../worker-thread.ts'
import type { EvaluationApi, EvaluationSetup } from './evaluation-worker.ts'

/** Measures versions in a thread of its own. */
export interface EvaluationThread {
  /**
   * A version on the fixed held-out tasks: greedily and, where samples are asked for, by them. One call at a time.
   * @param parameters the adapter, or without LoRA all weights; null measures the base model
   */
  readonly evaluate: (parameters: Tensors | null) => Promise<Evaluation>
  /** Rejects when the thread dies; never resolves. */
  readonly failed: Promise<never>
  readonly close: () => Promise<void>
}

/** @throws {ModelFileError | EnvironmentError} as one line, when the model or the environment cannot be used */
export async function startEvaluationThread(setup: EvaluationSetup): Promise<EvaluationThread> {
  const { remote, failed, close } = await openWorkerThread<EvaluationApi, EvaluationSetup>(new URL('./evaluation-worker.ts', import.meta.url), setup)
  return { evaluate: parameters => Promise.race([remote.evaluate(parameters), failed]), failed, close }
}
