/**
 * What a stage costs a sequence, in milliseconds per generated token. A vertex's cost is its per-layer latency times the layers
 * that it runs (Parallax, arXiv 2509.26182, states per-layer latency and pairwise round trips as the inputs of a request's chain); the queue is ours.
 */
import type { ProfileReport } from '../protocol/profile-report.ts'
import { layerMs } from './layer-cost.ts'
import type { StageLoad } from './stage-load.ts'

export interface RequestShape {
  readonly promptTokens: number
  /** Tokens that are expected to be generated, 1 or more. */
  readonly newTokens: number
  /** Of one token's hidden state on the wire. */
  readonly hiddenBytes: number
}

export interface HopCost {
  /** Per layer. */
  readonly layerMs: number
  /** Once, however many layers: waiting. */
  readonly queueMs: number
  /** Once, for the hidden states that it sends on. */
  readonly sendMs: number
}

/** The prompt is paid for once, so each generated token bears its share. */
export function hopCost(profile: Pick<ProfileReport, 'decode' | 'prefill' | 'uplinkBytesPerSecond'>, load: StageLoad, shape: RequestShape): HopCost {
  const promptShare = 1 / shape.newTokens
  const prefillMs = shape.promptTokens === 0 ? 0 : layerMs(profile.prefill, shape.promptTokens) * promptShare
  const bytes = shape.hiddenBytes * (1 + shape.promptTokens * promptShare)
  return {
    layerMs: layerMs(profile.decode, 1) + prefillMs,
    queueMs: queueMs(profile, load),
    sendMs: profile.uplinkBytesPerSecond === null ? 0 : (1000 * bytes) / profile.uplinkBytesPerSecond
  }
}

/**
 * A row that arrives finds a step under way, half done on average, and shares the next one with all rows in flight: their fixed
 * cost is one, their own cost adds up. An upper estimate, since some of them are at other stages at that moment.
 */
function queueMs({ decode }: Pick<ProfileReport, 'decode'>, { rows, rowLayers }: StageLoad): number {
  return rows === 0 ? 0 : (decode.fixedMs * rowLayers) / rows / 2 + decode.perRowMs * rowLayers
}
