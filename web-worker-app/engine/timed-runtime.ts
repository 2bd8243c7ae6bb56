import type { InferenceSession } from 'onnxruntime-common'
import type { OrtRuntime } from '#shared/engine/ort-runtime.ts'

export interface RunTimer {
  /** Milliseconds spent in `session.run` so far, over all sessions of the runtime. */
  milliseconds: number
}

/** The same runtime, with a clock on every run: what is left of a step's time is ours. */
export function timedRuntime(runtime: OrtRuntime, timer: RunTimer): OrtRuntime {
  const create = async (model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession> => {
    const session = await runtime.InferenceSession.create(model, options)
    const run = session.run.bind(session)
    const timed = async (feeds: InferenceSession.FeedsType, fetches: InferenceSession.FetchesType): Promise<InferenceSession.ReturnType> => {
      const start = performance.now()
      try {
        return await run(feeds, fetches)
      } finally {
        timer.milliseconds += performance.now() - start
      }
    }
    session.run = timed as InferenceSession['run']
    return session
  }
  return { Tensor: runtime.Tensor, InferenceSession: { create } as OrtRuntime['InferenceSession'] }
}
