/**
 * Sampling from a row of logits. All sums run in float64 over the tokens in id order, so that two
 * machines with equal logits take equal decisions. The CDF of token k is the interval [c(k-1)/Z, c(k)/Z).
 */

interface Weights {
  /** exp((logit − max) / temperature), one per token. */
  readonly weights: Float64Array
  readonly total: number
  readonly max: number
}

function softmaxWeights(logits: Float32Array, temperature = 1): Weights {
  let max = -Infinity
  for (const logit of logits) if (logit > max) max = logit
  const weights = new Float64Array(logits.length)
  let total = 0
  for (let token = 0; token < logits.length; token++) {
    const weight = Math.exp((logits[token]! - max) / temperature)
    weights[token] = weight
    total += weight
  }
  return { weights, total, max }
}

/** Natural log of the softmax probability of `token`. */
export function logProb(logits: Float32Array, token: number): number {
  const { total, max } = softmaxWeights(logits)
  return logits[token]! - max - Math.log(total)
}

/**
 * The first token whose cumulative probability exceeds `u`.
 * @param u in [0, 1)
 * @param temperature above 0: the token is chosen from softmax(logits / temperature)
 * @returns the token and its log-probability at temperature 1
 */
export function sampleInverseCdf(logits: Float32Array, u: number, temperature = 1): { readonly token: number; readonly logProb: number } {
  const { weights, total, max } = softmaxWeights(logits, temperature)
  let cumulative = 0
  for (let token = 0; token < weights.length; token++) {
    cumulative += weights[token]!
    if (u < cumulative / total) return { token, logProb: temperature === 1 ? logits[token]! - max - Math.log(total) : logProb(logits, token) }
  }
  throw new RangeError(`no token for u = ${u}: u must be in [0, 1) and the logits finite`)
}

/** The half-open interval of u for which `sampleInverseCdf` returns `token`; empty when its probability underflows. */
export function cdfInterval(logits: Float32Array, token: number): readonly [low: number, high: number] {
  const { weights, total } = softmaxWeights(logits)
  let cumulative = 0
  for (let before = 0; before < token; before++) cumulative += weights[before]!
  return [cumulative / total, (cumulative + weights[token]!) / total]
}

/** The token with the largest logit; the lowest id among equals. */
export function argmax(logits: Float32Array): number {
  let best = 0
  for (let token = 1; token < logits.length; token++) if (logits[token]! > logits[best]!) best = token
  return best
}
