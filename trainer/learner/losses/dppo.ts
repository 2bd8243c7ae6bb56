import { logRatio, perToken, type PolicyLoss } from './policy-loss.ts'

export interface DppoOptions {
  /** A token is masked when its advantage is negative and its probability already fell by more than this. */
  readonly low: number
  /** A token is masked when its advantage is positive and its probability already rose by more than this. */
  readonly high: number
  /** Weight of (log π / π_b)², which pulls the policy back to what was sampled. */
  readonly klTau: number
}

/**
 * L = −keep·A·r + τ·(log r)² with r = π / π_b: the policy gradient with importance weights, masked by the binary total variation
 * |π − π_b| of the sampled token instead of the ratio (Qi et al. 2026, arXiv:2602.04879, DPPO-Binary-TV), with the squared log-ratio
 * term of github.com/PrimeIntellect-ai/prime-rl. A ratio clip stops rare tokens early and frequent ones late; a difference of
 * probabilities does neither, which is why this loss keeps learning from stale rollouts.
 */
export function dppoLoss({ low, high, klTau }: DppoOptions): PolicyLoss {
  return perToken((policy, behaviour, advantage) => {
    const log = logRatio(policy, behaviour)
    const ratio = Math.exp(log)
    const shift = Math.exp(policy) - Math.exp(behaviour)
    const clipped = (advantage > 0 && shift > high) || (advantage < 0 && shift < -low)
    const surrogate = clipped ? 0 : -ratio * advantage
    return { loss: surrogate + klTau * log * log, gradient: surrogate + 2 * klTau * log, clipped }
  })
}
