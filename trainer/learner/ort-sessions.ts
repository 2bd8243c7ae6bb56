import * as ort from 'onnxruntime-node'
import { headBackwardGraph, headForwardGraph, layerBackwardGraph, layerForwardGraph } from '#shared/graph/training.ts'
import type { DecoderConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'

export interface OrtSessions {
  readonly layerForward: ort.InferenceSession
  readonly layerBackward: ort.InferenceSession
  readonly headForward: ort.InferenceSession
  readonly headBackward: ort.InferenceSession
}

/** @param threads cores that one operator may use */
export async function createOrtSessions(config: DecoderConfig, lora: LoraConfig | null, threads: number): Promise<OrtSessions> {
  const options: ort.InferenceSession.SessionOptions = {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // Spinning threads starve everything else on a shared machine: measured 42 against 193 GFLOP/s under contention.
    extra: { session: { intra_op: { allow_spinning: '0' } } }
  }
  const [layerForward, layerBackward, headForward, headBackward] = await Promise.all(
    [layerForwardGraph(config, lora), layerBackwardGraph(config, lora), headForwardGraph(config), headBackwardGraph(config, lora === null)].map(
      graph => ort.InferenceSession.create(graph, options)
    )
  )
  return { layerForward: layerForward!, layerBackward: layerBackward!, headForward: headForward!, headBackward: headBackward! }
}
