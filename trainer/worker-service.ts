/** The inner side of a worker thread. */
import { parentPort } from 'node:worker_threads'
import { expose } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import type { ThreadedApi } from './worker-thread.ts'

/**
 * Exposes an object to the parent of this thread. Its `close` is answered when no other call is under way any more; those that
 * were fail at their next use of what has been closed. A thread that is ended inside onnxruntime aborts the whole process.
 */
export function serveParent<Setup>(api: ThreadedApi<Setup>): void {
  const underWay = new Set<Promise<unknown>>()
  const tracked = (answer: unknown): unknown => {
    if (!(answer instanceof Promise)) return answer
    const ended = (): unknown => underWay.delete(answer)
    underWay.add(answer)
    answer.then(ended, ended)
    return answer
  }
  const close = async (): Promise<void> => {
    await api.close()
    await Promise.allSettled(underWay)
  }
  const served = new Proxy(api, {
    get(_, name) {
      const member: unknown = Reflect.get(api, name)
      if (typeof member !== 'function') return member
      return name === 'close' ? close : (...parameters: unknown[]) => tracked(Reflect.apply(member, api, parameters))
    }
  })
  expose(served, nodeEndpoint(parentPort!))
}
