import { logRatio, perToken, type PolicyLoss } from './policy-loss.ts'

export interface TruncatedImportanceSamplingOptions {
  /** Largest weight. */
  readonly cap: number
}

/**
 * L = −w·A·log π with w = min(π / π_b, cap) held constant: policy gradient with truncated importance weights (Ionides 2008, "Truncated
 * Importance Sampling"; per token as in V-trace, Espeholt et al. 2018, §4.1). Every token keeps a gradient, however old its version.
 */
export function truncatedImportanceSamplingLoss({ cap }: TruncatedImportanceSamplingOptions): PolicyLoss {
  return perToken((policy, behaviour, advantage) => {
    const ratio = Math.exp(logRatio(policy, behaviour))
    const weight = Math.min(ratio, cap)
    return { loss: -weight * advantage * policy, gradient: -weight * advantage, clipped: ratio > cap }
  })
}
