import { Worker } from 'node:worker_threads'
import { wrap, type Remote } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'

/** An object that works in a thread of its own: `open` comes first, `close` last. */
export interface ThreadedApi<Setup> {
  open(setup: Setup): Promise<void>
  close(): Promise<void>
}

/** A thread whose object is open; its methods return promises. */
export interface WorkerThread<Api> {
  readonly remote: Remote<Api>
  /** Rejects when the thread dies of an error or ends by itself; never resolves. Calls in flight would wait for ever: watch this. */
  readonly failed: Promise<never>
  /** Closes the object, then ends the thread. */
  readonly close: () => Promise<void>
}

/** A built trainer has JavaScript beside itself where its sources have TypeScript. */
function startWorker(module: URL): Worker {
  if (import.meta.url.endsWith('.js')) return new Worker(new URL(module.href.replace(/\.ts$/, '.js')))
  return new Worker(new URL('./worker-bootstrap.mjs', import.meta.url), { workerData: { module: module.href } })
}

/**
 * Starts a TypeScript module in a worker thread and opens its object.
 * @param module its URL; it exposes its object with comlink on its `parentPort`. Calls made before that wait for it.
 * @throws what `open` throws, and whatever else ends the thread before it is open
 */
export async function openWorkerThread<Api extends ThreadedApi<Setup>, Setup>(module: URL, setup: Setup): Promise<WorkerThread<Api>> {
  const worker = startWorker(module)
  let stopping = false
  const failed = new Promise<never>((_, reject) => {
    worker.once('error', reject)
    worker.once('exit', code => {
      if (!stopping) reject(new Error(`the worker thread ${module.pathname} ended with code ${code}`))
    })
  })
  // Whoever waits on `failed` sees the error; without a waiter it must not also be an unhandled rejection.
  failed.catch(() => undefined)
  const terminate = async (): Promise<void> => {
    stopping = true
    await worker.terminate()
  }
  const remote: Remote<ThreadedApi<unknown>> = wrap(nodeEndpoint(worker))
  try {
    await Promise.race([remote.open(setup), failed])
  } catch (error) {
    await terminate()
    throw error
  }
  return {
    remote: remote as Remote<Api>,
    failed,
    close: async () => {
      await Promise.race([remote.close(), failed])
      await terminate()
    }
  }
}
