import { groupAdvantages, type AdvantageEstimator } from './advantage.ts'
import { completionPositions, type ScoredSequence, type TokenSequence } from './learner-backend.ts'
import { createPolicyLoss, type LossConfig } from './losses/loss-config.ts'
import { logRatio, type PolicyLoss } from './losses/policy-loss.ts'
import type { TrainedPolicy } from './trained-policy.ts'

/** One accepted rollout with what the trusted prefill and the environment said of it. */
export interface LearnerRollout extends TokenSequence {
  /** log-prob of every completion token under the version that sampled it. */
  readonly behaviourLogProbs: ArrayLike<number>
  readonly reward: number
}

/** The rollouts of one prompt. */
export type RolloutGroup = readonly LearnerRollout[]

export interface GrpoConfig {
  readonly loss: LossConfig
  readonly advantage: AdvantageEstimator
  /**
   * β: a token's advantage is raised by β · (−log π − H), with H the entropy of the policy where it was drawn. In expectation that is the gradient of
   * β · H (Williams and Peng 1991; Mnih et al. 2016, section 4.2), so that samples stay different. 0: none.
   */
  readonly entropyBonus?: number
}

/** The means over tokens are of the tokens learnt from, and null when no group had a signal. */
export interface LearnerStepMetrics {
  /** Optimizer updates done, this one included when it was not skipped. */
  readonly step: number
  /** `no_signal`: every group had equal rewards. `non_finite`: a loss or gradient was NaN or infinite. Parameters are untouched then. */
  readonly skipped: 'no_signal' | 'non_finite' | null
  readonly reward: number
  readonly rewardStd: number
  /** Share of the groups whose rewards are all equal. */
  readonly fractionZeroStd: number
  readonly loss: number | null
  /** Of the policy before the update, in nats per token. */
  readonly entropy: number | null
  /** Mean of r − log r − 1 with r = π / π_b: how far the policy has moved from what was sampled. */
  readonly mismatchKl: number | null
  /** Share of tokens whose policy-gradient term was masked, clipped or truncated. */
  readonly maskedFraction: number | null
  /** Before clipping. */
  readonly gradientNorm: number | null
  readonly learningRate: number | null
  /** Completion tokens that were given. */
  readonly tokens: number
  /** Those in groups with a signal. */
  readonly tokensLearnt: number
}

interface TokenSums {
  loss: number
  entropy: number
  mismatch: number
  clipped: number
}

/** Group relative policy optimization (Shao et al. 2024, DeepSeekMath, §4.1): one optimizer update per batch of groups. */
export class GrpoLearner {
  readonly #policy: TrainedPolicy
  readonly #loss: PolicyLoss
  readonly #advantage: AdvantageEstimator
  readonly #entropyBonus: number

  constructor(policy: TrainedPolicy, config: GrpoConfig) {
    this.#policy = policy
    this.#loss = createPolicyLoss(config.loss)
    this.#advantage = config.advantage
    this.#entropyBonus = config.entropyBonus ?? 0
  }

  /** Learns from a batch. The loss is the sum over all tokens of the batch divided by their number. */
  async step(groups: readonly RolloutGroup[]): Promise<LearnerStepMetrics> {
    const { rollouts, advantages, withoutSignal } = this.#withSignal(groups)
    const tokens = completionTokens(rollouts)
    const all = groups.flat()
    const common = { ...rewardMetrics(all), fractionZeroStd: withoutSignal / groups.length, tokens: completionTokens(all), tokensLearnt: tokens }
    if (rollouts.length === 0) {
      const unknown = { loss: null, entropy: null, mismatchKl: null, maskedFraction: null, gradientNorm: null, learningRate: null }
      return { ...common, ...unknown, step: this.#policy.step, skipped: 'no_signal' }
    }
    const sums: TokenSums = { loss: 0, entropy: 0, mismatch: 0, clipped: 0 }
    const { gradientNorm, learningRate, skipped } = await this.#policy.update(
      rollouts,
      (index, scored) => this.#logProbGradient(rollouts[index]!, advantages[index]!, scored, tokens, sums),
      () => sums.loss
    )
    return {
      ...common,
      step: this.#policy.step,
      skipped: skipped ? 'non_finite' : null,
      loss: sums.loss / tokens,
      entropy: sums.entropy / tokens,
      mismatchKl: sums.mismatch / tokens,
      maskedFraction: sums.clipped / tokens,
      gradientNorm,
      learningRate
    }
  }

  #withSignal(groups: readonly RolloutGroup[]): { rollouts: LearnerRollout[]; advantages: number[]; withoutSignal: number } {
    const rollouts: LearnerRollout[] = []
    const advantages: number[] = []
    let withoutSignal = 0
    for (const group of groups) {
      const estimated = groupAdvantages(
        group.map(rollout => rollout.reward),
        this.#advantage
      )
      if (estimated === null) {
        withoutSignal += 1
        continue
      }
      rollouts.push(...group)
      advantages.push(...estimated)
    }
    return { rollouts, advantages, withoutSignal }
  }

  #logProbGradient(rollout: LearnerRollout, advantage: number, scored: ScoredSequence, tokens: number, sums: TokenSums): Float32Array {
    const { loss, gradient, clipped } = this.#loss({ policy: scored.logProbs, behaviour: rollout.behaviourLogProbs }, advantage)
    sums.loss += loss
    sums.clipped += clipped
    for (let at = 0; at < gradient.length; at++) {
      const log = logRatio(scored.logProbs[at]!, rollout.behaviourLogProbs[at]!)
      sums.entropy += scored.entropies[at]!
      sums.mismatch += Math.exp(log) - log - 1
      gradient[at] = (gradient[at]! + Math.exp(log) * this.#entropyBonus * (scored.logProbs[at]! + scored.entropies[at]!)) / tokens
    }
    return gradient
  }
}

function completionTokens(rollouts: readonly LearnerRollout[]): number {
  return rollouts.reduce((sum, rollout) => sum + completionPositions(rollout).length, 0)
}

function rewardMetrics(rollouts: readonly LearnerRollout[]): { reward: number; rewardStd: number } {
  const mean = rollouts.reduce((sum, { reward }) => sum + reward, 0) / rollouts.length
  return { reward: mean, rewardStd: Math.sqrt(rollouts.reduce((sum, { reward }) => sum + (reward - mean) ** 2, 0) / rollouts.length) }
}
