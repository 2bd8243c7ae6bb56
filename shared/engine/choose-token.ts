import { argmax, logProb, sampleInverseCdf } from '../model/sampling.ts'

/**
 * @param logits one row
 * @param u uniform in [0, 1); left out, the likeliest token is taken
 * @returns the token, chosen from softmax(logits / temperature), and its log-probability at temperature 1
 */
export function chooseToken(logits: Float32Array, u: number | undefined, temperature = 1): { readonly token: number; readonly logProb: number } {
  if (u !== undefined) return sampleInverseCdf(logits, u, temperature)
  const token = argmax(logits)
  return { token, logProb: logProb(logits, token) }
}
