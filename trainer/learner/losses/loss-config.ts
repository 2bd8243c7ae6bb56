import { clipLoss, type ClipOptions } from './clip.ts'
import { dppoLoss, type DppoOptions } from './dppo.ts'
import type { PolicyLoss } from './policy-loss.ts'
import { truncatedImportanceSamplingLoss, type TruncatedImportanceSamplingOptions } from './truncated-importance-sampling.ts'

/** The choice of a loss as data, so that it fits in a run file and crosses threads. */
export type LossConfig =
  | ({ readonly kind: 'dppo' } & DppoOptions)
  | ({ readonly kind: 'clip' } & ClipOptions)
  | ({ readonly kind: 'truncated-importance-sampling' } & TruncatedImportanceSamplingOptions)

export const DEFAULT_LOSS: LossConfig = { kind: 'dppo', low: 0.2, high: 0.2, klTau: 1e-3 }

export function createPolicyLoss(config: LossConfig): PolicyLoss {
  switch (config.kind) {
    case 'dppo':
      return dppoLoss(config)
    case 'clip':
      return clipLoss(config)
    case 'truncated-importance-sampling':
      return truncatedImportanceSamplingLoss(config)
  }
}
