import type { Remote } from 'comlink'
import { startWorkerThread } from '../worker-thread.ts'
import type { LearnerApi, LearnerSetup } from './learner-worker.ts'

/** The learner in its own thread. */
export interface LearnerThread {
  readonly learner: Pick<Remote<LearnerApi>, 'step' | 'state' | 'restore'>
  /** Rejects when the thread dies; never resolves. */
  readonly failed: Promise<never>
  readonly close: () => Promise<void>
}

export async function startLearnerThread(setup: LearnerSetup): Promise<LearnerThread> {
  const { remote, failed, terminate } = startWorkerThread<LearnerApi>(new URL('./learner-worker.ts', import.meta.url))
  try {
    await Promise.race([remote.open(setup), failed])
  } catch (error) {
    await terminate()
    throw error
  }
  return {
    learner: remote,
    failed,
    close: async () => {
      await Promise.race([remote.close(), failed])
      await terminate()
    }
  }
}
