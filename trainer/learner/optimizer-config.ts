import type { AdamWOptions } from './adamw.ts'

export interface OptimizerConfig extends AdamWOptions {
  readonly learningRate: number
  /** Steps over which the learning rate rises from 0; 0 starts at the full rate. */
  readonly warmupSteps: number
  /** Steps over which the learning rate falls linearly to 0; 0 keeps it. The noise of late, small improvements averages out. */
  readonly decaySteps: number
  /** Longer gradients are scaled down to this norm. */
  readonly maxGradientNorm: number
}

/** What learnt fastest for adapters of models below 1 M parameters. */
export const DEFAULT_OPTIMIZER: OptimizerConfig = {
  learningRate: 1e-3,
  warmupSteps: 0,
  decaySteps: 0,
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradientNorm: 1
}

/** @param step 1 for the first update */
export function learningRateAt(config: OptimizerConfig, step: number): number {
  const warmup = Math.min(1, step / Math.max(1, config.warmupSteps))
  const decay = config.decaySteps === 0 ? 1 : Math.max(0, 1 - (step - 1) / config.decaySteps)
  return config.learningRate * warmup * decay
}
