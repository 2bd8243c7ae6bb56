import type { LoraConfig } from '#shared/model/lora.ts'
import type { Tensors } from '#shared/model/tensor.ts'

/** One prompt with what came of it: `tokens` from `promptLength` on. */
export interface TokenSequence {
  readonly tokens: ArrayLike<number>
  /** At least 1: the first completion token needs something to be predicted from. */
  readonly promptLength: number
  /** One entry for each token after the prompt: 1 for completion tokens, which the policy drew; 0 for an environment's, which are only read. Absent: all are the policy's. */
  readonly mask?: ArrayLike<number>
}

/** Positions in `tokens` of the completion tokens, ascending. */
export function completionPositions({ tokens, promptLength, mask }: TokenSequence): number[] {
  if (mask !== undefined && mask.length !== tokens.length - promptLength) throw new RangeError(`a mask of ${mask.length} for ${tokens.length - promptLength} tokens`)
  const positions: number[] = []
  for (let position = promptLength; position < tokens.length; position++) if (mask === undefined || mask[position - promptLength] === 1) positions.push(position)
  return positions
}

/** What a policy says of the completion tokens of a sequence; both arrays have one entry for each, in nats. */
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

/** Called with the logits [vocab] that predict one completion token, `position` counting them from 0; `logits` is only valid during the call. */
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
