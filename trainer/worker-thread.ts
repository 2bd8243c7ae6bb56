import { Worker } from 'node:worker_threads'
import { wrap, type Remote } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'

/** An object that lives in a worker thread; its methods return promises. */
export interface WorkerThread<Api> {
  readonly remote: Remote<Api>
  /** Rejects when the thread dies of an error or ends by itself; never resolves. Calls in flight would wait for ever: watch this. */
  readonly failed: Promise<never>
  readonly terminate: () => Promise<void>
}

/**
 * Starts a TypeScript module in a worker thread.
 * @param module its URL; it exposes its object with comlink on its `parentPort`. Calls made before that wait for it.
 */
export function startWorkerThread<Api>(module: URL): WorkerThread<Api> {
  const worker = new Worker(new URL('./worker-bootstrap.mjs', import.meta.url), { workerData: { module: module.href } })
  let stopping = false
  const failed = new Promise<never>((_, reject) => {
    worker.once('error', reject)
    worker.once('exit', code => {
      if (!stopping) reject(new Error(`the worker thread ${module.pathname} ended with code ${code}`))
    })
  })
  // Whoever waits on `failed` sees the error; without a waiter it must not also be an unhandled rejection.
  failed.catch(() => undefined)
  return {
    remote: wrap<Api>(nodeEndpoint(worker)),
    failed,
    terminate: async () => {
      stopping = true
      await worker.terminate()
    }
  }
}
