export const ADVANTAGE_ESTIMATORS = ['grpo', 'dr-grpo', 'rloo'] as const

export type AdvantageEstimator = (typeof ADVANTAGE_ESTIMATORS)[number]

/** Keeps the quotient finite; of the size that TRL uses. */
const STD_EPSILON = 1e-4

/**
 * Advantages of the rollouts of one prompt, from their rewards:
 * - `grpo`: (r − mean) / (std + 10⁻⁴), std over the group as a population (Shao et al. 2024, DeepSeekMath, §4.1.2);
 * - `dr-grpo`: r − mean (Liu et al. 2025, "Understanding R1-Zero-Like Training", §3.2);
 * - `rloo`: r − mean of the others = G / (G − 1) · (r − mean) (Ahmadian et al. 2024, "Back to Basics", §2.3).
 *
 * @returns null when all rewards are equal: such a group says nothing about which rollout was better, and is left out of the step
 */
export function groupAdvantages(rewards: readonly number[], estimator: AdvantageEstimator): Float32Array | null {
  if (rewards.every(reward => reward === rewards[0])) return null
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length
  const scale = scaleOf(rewards, mean, estimator)
  return Float32Array.from(rewards, reward => (reward - mean) * scale)
}

function scaleOf(rewards: readonly number[], mean: number, estimator: AdvantageEstimator): number {
  switch (estimator) {
    case 'grpo':
      return 1 / (Math.sqrt(rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / rewards.length) + STD_EPSILON)
    case 'dr-grpo':
      return 1
    case 'rloo':
      return rewards.length / (rewards.length - 1)
  }
}
