import { argmax, logProb, sampleInverseCdf } from '../model/sampling.ts'

/**
 * @param logits one row
 * @param u uniform in [0, 1); left out, the likeliest token is taken
 */
export function chooseToken(logits: Float32Array, u: number | undefined): { readonly token: number; readonly logProb: number } {
  if (u !== undefined) return sampleInverseCdf(logits, u)
  const token = argmax(logits)
  return { token, logProb: logProb(logits, token) }
}
