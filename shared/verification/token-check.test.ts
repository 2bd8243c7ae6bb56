import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cdfInterval, logProb, sampleInverseCdf } from '../model/sampling.ts'
import { checkToken, TOKEN_TOLERANCE } from './token-check.ts'

const row = fc.array(fc.double({ min: -6, max: 6, noNaN: true }), { minLength: 2, maxLength: 40 }).map(values => Float32Array.from(values))
const uniform = fc.double({ min: 0, max: 1 - 2 ** -32, noNaN: true })

describe('a token', () => {
  test('that its uniform draws passes, also under logits that differ by rounding', () => {
    fc.assert(
      fc.property(row, uniform, fc.array(fc.double({ min: -2e-5, max: 2e-5, noNaN: true }), { minLength: 40, maxLength: 40 }), (logits, u, noise) => {
        const drawn = sampleInverseCdf(logits, u)
        const trusted = logits.map((logit, token) => logit + noise[token]!)
        expect(checkToken(trusted, { token: drawn.token, u, claimed: drawn.logProb, trusted: logProb(trusted, drawn.token) })).toBeUndefined()
      })
    )
  })

  test('that was chosen instead of drawn is caught, however likely it is', () => {
    fc.assert(
      fc.property(row, uniform, fc.nat(), (logits, u, pick) => {
        const token = pick % logits.length
        const [low, high] = cdfInterval(logits, token)
        fc.pre(u < low - 2 * TOKEN_TOLERANCE.cdf || u > high + 2 * TOKEN_TOLERANCE.cdf)
        const known = logProb(logits, token)
        expect(checkToken(logits, { token, u, claimed: known, trusted: known })).toBe('sampling_mismatch')
      })
    )
  })

  test('whose log-prob comes from other weights is caught', () => {
    const logits = Float32Array.of(0, 1, 2)
    const { token, logProb: trusted } = sampleInverseCdf(logits, 0.5)
    expect(checkToken(logits, { token, u: 0.5, claimed: trusted + 1.1e-3, trusted })).toBe('log_prob_mismatch')
    expect(checkToken(logits, { token, u: 0.5, claimed: trusted + 0.9e-3, trusted })).toBeUndefined()
    expect(checkToken(logits, { token, u: 0.5, claimed: Number.NaN, trusted })).toBe('log_prob_mismatch')
  })
})
