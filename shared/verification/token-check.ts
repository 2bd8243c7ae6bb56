/**
 * Whether a claimed token is the one that the committed uniform draws under the trusted logits. Exact equality would be
 * too much to ask: two engines add in different orders, so their float32 logits differ by rounding.
 */
import { cdfInterval } from '../model/sampling.ts'

export interface TokenTolerance {
  /** Probability mass by which the uniform may miss the token's interval of the cumulative distribution. */
  readonly cdf: number
  /** Nats between the claimed and the trusted log-probability. */
  readonly logProb: number
}

/**
 * Between onnxruntime's WASM build decoding 32 rows and its Node build prefilling, log-probs of the shipped model differ by at most
 * 5e-6 (2,816 tokens); WebGPU's arithmetic may differ by 1e-4 in a logit. Weights one learner step old differ by 1e-2 and more in
 * a rollout's worst token while the policy learns. The bounds lie between. A cheater gains at most 2·cdf of probability mass per token.
 */
export const TOKEN_TOLERANCE: TokenTolerance = { cdf: 1e-4, logProb: 1e-3 }

export interface ClaimedToken {
  readonly token: number
  /** The committed uniform of this position, in [0, 1). */
  readonly u: number
  /** The tab's own log-probability. */
  readonly claimed: number
  /** The trusted prefill's log-probability of `token`. */
  readonly trusted: number
}

/**
 * @param logits the trusted prefill's row for this position
 * @returns undefined when the claim holds. A wrong log-prob is named first: other weights or other arithmetic explain it, whereas
 * a right log-prob with a wrong draw means that the token was chosen.
 */
export function checkToken(logits: Float32Array, claim: ClaimedToken, tolerance: TokenTolerance = TOKEN_TOLERANCE): 'log_prob_mismatch' | 'sampling_mismatch' | undefined {
  // Negated comparisons, so that NaN fails.
  if (!(Math.abs(claim.claimed - claim.trusted) <= tolerance.logProb)) return 'log_prob_mismatch'
  const [low, high] = cdfInterval(logits, claim.token)
  return claim.u >= low - tolerance.cdf && claim.u < high + tolerance.cdf ? undefined : 'sampling_mismatch'
}
