import type { LearnerMetrics } from '#shared/protocol/run-feed.ts'
import type { LearnerStepMetrics } from '../learner/learner.ts'

export interface StepCircumstances {
  /** That the step published. */
  readonly version: number
  readonly lags: readonly number[]
  readonly stepSeconds: number
  /** Of the curriculum, after the step; absent without one. */
  readonly level?: number
}

/** The learner's metrics under the names that pages show; what a skipped step could not measure is 0. */
export function shownMetrics(metrics: LearnerStepMetrics, { version, lags, stepSeconds, level }: StepCircumstances): LearnerMetrics {
  return {
    version,
    reward: metrics.reward,
    fractionZeroStd: metrics.fractionZeroStd,
    entropy: orZero(metrics.entropy),
    mismatchKl: orZero(metrics.mismatchKl),
    maskedFraction: orZero(metrics.maskedFraction),
    gradientNorm: orZero(metrics.gradientNorm),
    lagMean: lags.reduce((sum, lag) => sum + lag, 0) / Math.max(1, lags.length),
    stepSeconds,
    ...(level !== undefined && { level })
  }
}

function orZero(value: number | null): number {
  return value !== null && Number.isFinite(value) ? value : 0
}
