import type { Remote } from 'comlink'
import { openWorkerThread } from '../worker-thread.ts'
import type { LearnerApi, LearnerSetup } from './learner-worker.ts'

/** The learner in its own thread. */
export interface LearnerThread {
  readonly learner: Pick<Remote<LearnerApi>, 'step' | 'state' | 'restore'>
  /** Rejects when the thread dies; never resolves. */
  readonly failed: Promise<never>
  readonly close: () => Promise<void>
}

export async function startLearnerThread(setup: LearnerSetup): Promise<LearnerThread> {
  const { remote, failed, close } = await openWorkerThread<LearnerApi, LearnerSetup>(new URL('./learner-worker.ts', import.meta.url), setup)
  return { learner: remote, failed, close }
}
