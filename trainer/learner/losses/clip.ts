import { logRatio, perToken, type PolicyLoss } from './policy-loss.ts'

export interface ClipOptions {
  /** The ratio counts down to 1 − low where the advantage is negative. */
  readonly low: number
  /** The ratio counts up to 1 + high where the advantage is positive; DAPO raises it above `low`. */
  readonly high: number
  /** Bounds the ratio where the advantage is negative, so that one token cannot dominate; more than 1 + high. */
  readonly delta?: number
}

/**
 * L = −min(min(r, δ)·A, clip(r, 1 − ε_low, 1 + ε_high)·A) with r = π / π_b: the clipped surrogate of PPO (Schulman et al. 2017, eq. 7)
 * with the unequal bounds of DAPO (Yu et al. 2025, §3.1) and the two-sided δ of INTELLECT-2 (Prime Intellect 2025).
 */
export function clipLoss({ low, high, delta = Infinity }: ClipOptions): PolicyLoss {
  return perToken((policy, behaviour, advantage) => {
    const ratio = Math.exp(logRatio(policy, behaviour))
    const free = Math.min(ratio, delta) * advantage
    const bounded = Math.min(Math.max(ratio, 1 - low), 1 + high) * advantage
    const follows = free <= bounded && ratio <= delta
    return { loss: -Math.min(free, bounded), gradient: follows ? -ratio * advantage : 0, clipped: !follows }
  })
}
