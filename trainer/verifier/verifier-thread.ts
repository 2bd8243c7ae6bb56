import type { Remote } from 'comlink'
import { openWorkerThread } from '../worker-thread.ts'
import type { VerifierApi, VerifierSetup } from './verifier-worker.ts'

/** The verifier in its own thread. */
export interface VerifierThread {
  readonly verifier: Pick<Remote<VerifierApi>, 'keep' | 'forgetBelow' | 'judge' | 'score'>
  /** Rejects when the thread dies; never resolves. */
  readonly failed: Promise<never>
  readonly close: () => Promise<void>
}

/** @throws {ModelFileError | EnvironmentError} as one line, when the model or the environment cannot be used */
export async function startVerifierThread(setup: VerifierSetup): Promise<VerifierThread> {
  const { remote, failed, close } = await openWorkerThread<VerifierApi, VerifierSetup>(new URL('./verifier-worker.ts', import.meta.url), setup)
  return { verifier: remote, failed, close }
}
