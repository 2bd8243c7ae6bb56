/** One completion as a loss sees it: both arrays hold one log-probability per token, in nats. */
export interface CompletionLogProbs {
  /** Of the policy that is being trained. */
  readonly policy: Float32Array
  /** Of the version that sampled the completion; constants. */
  readonly behaviour: ArrayLike<number>
}

export interface CompletionLoss {
  /** Sum over the tokens; the caller divides by the number of tokens of the whole step. */
  readonly loss: number
  /** d loss / d policy log-prob, per token. */
  readonly gradient: Float32Array
  /** Tokens whose policy-gradient term the loss left out: masked, clipped or truncated. */
  readonly clipped: number
}

/** A surrogate to minimise, summed over the tokens of one completion that share one advantage. */
export type PolicyLoss = (logProbs: CompletionLogProbs, advantage: number) => CompletionLoss

/** The loss of a single token. */
export interface TokenLoss {
  readonly loss: number
  readonly gradient: number
  readonly clipped: boolean
}

/** Beyond e^±20 a ratio says nothing more than "very different", and its square would leave float32. */
const LOG_RATIO_LIMIT = 20

/** log π − log π_b, bounded so that its exponential stays finite. */
export function logRatio(policy: number, behaviour: number): number {
  return Math.min(LOG_RATIO_LIMIT, Math.max(-LOG_RATIO_LIMIT, policy - behaviour))
}

/** Applies a per-token loss to a completion. */
export function perToken(token: (policy: number, behaviour: number, advantage: number) => TokenLoss): PolicyLoss {
  return ({ policy, behaviour }, advantage) => {
    if (policy.length !== behaviour.length) throw new Error(`${policy.length} log-probs against ${behaviour.length} behaviour log-probs`)
    const gradient = new Float32Array(policy.length)
    let loss = 0
    let clipped = 0
    for (let at = 0; at < policy.length; at++) {
      const result = token(policy[at]!, behaviour[at]!, advantage)
      loss += result.loss
      gradient[at] = result.gradient
      if (result.clipped) clipped += 1
    }
    return { loss, gradient, clipped }
  }
}
