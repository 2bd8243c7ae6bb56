import type { LoraConfig } from '#shared/model/lora.ts'
import type { Tensors } from '#shared/model/tensor.ts'

/** One prompt with one completion: the completion is `tokens` from `promptLength` on. */
export interface TokenSequence {
  readonly tokens: ArrayLike<number>
  /** At least 1: the first completion token needs something to be predicted from. */
  readonly promptLength: number
}

/** What a policy says of a completion; both arrays have one entry per completion token, in nats. */
export interface ScoredSequence {
  /** log π(token | what precedes it), temperature 1. */
  readonly logProbs: Float32Array
  /** Entropy of the distribution that the token was drawn from. */
  readonly entropies: Float32Array
}

/** The policy of one version. The arrays are read in place at every call, so an optimizer that writes into them is seen. */
export interface PolicyParameters {
  /** Every tensor of the model, by Hugging Face name. */
  readonly weights: Tensors
  /** Every tensor of the adapter; null exactly when the backend was made without LoRA. */
  readonly adapter: Tensors | null
}

/** Called with the logits [vocab] that predict one completion token; `logits` is only valid during the call. */
export type LogitsReader = (sequence: number, position: number, logits: Float32Array) => void

/**
 * dL/dlogp for every completion token of one sequence, asked for once its log-probs are known. Keeping the loss behind this function
 * leaves it a pure function of numbers, and lets the backend finish one micro-batch before it starts the next.
 */
export type LogProbGradient = (sequence: number, scored: ScoredSequence) => Float32Array

/** Sums of gradients by tensor name. */
export type Gradients = ReadonlyMap<string, Float32Array>

/** Runs the model for the learner. One call at a time. */
export interface LearnerBackend {
  readonly lora: LoraConfig | null
  /** Trusted prefill: scores every completion under `parameters`, in the order given. */
  score(parameters: PolicyParameters, sequences: readonly TokenSequence[], readLogits?: LogitsReader): Promise<ScoredSequence[]>
  /**
   * Adds ∂/∂θ Σ c_t · log π_t to `gradients`, where c comes from `logProbGradient` and θ are the adapter's tensors, or without
   * LoRA all weights.
   */
  accumulate(parameters: PolicyParameters, sequences: readonly TokenSequence[], logProbGradient: LogProbGradient, gradients: Gradients): Promise<void>
  dispose(): Promise<void>
}
