import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { argmax, cdfInterval, logProb, sampleInverseCdf } from './sampling.ts'
import { runs } from '../testing/property-runs.ts'

const logits = fc.array(fc.float({ min: -60, max: 60, noNaN: true }), { minLength: 1, maxLength: 40 }).map(values => Float32Array.from(values))
const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('sampling', () => {
  it('returns the token whose interval contains u', () => {
    fc.assert(
      fc.property(logits, uniform, (row, u) => {
        const { token } = sampleInverseCdf(row, u)
        const [low, high] = cdfInterval(row, token)
        expect(low <= u && u < high).toBe(true)
      }),
      runs(2000)
    )
  })

  it('chooses at a temperature as from logits divided by it, and tells the log-prob at temperature 1', () => {
    fc.assert(
      fc.property(logits, uniform, fc.constantFrom(0.25, 0.5, 2, 4), (row, u, temperature) => {
        const { token, logProb: told } = sampleInverseCdf(row, u, temperature)
        expect(token).toBe(sampleInverseCdf(row.map(logit => logit / temperature), u).token)
        expect(told).toBe(logProb(row, token))
      }),
      runs(1000)
    )
  })

  it('includes the low end of an interval and excludes the high end', () => {
    fc.assert(
      fc.property(logits, row => {
        for (let token = 0; token < row.length; token++) {
          const [low, high] = cdfInterval(row, token)
          const atEnds = [low, high].map(u => (u < 1 ? sampleInverseCdf(row, u).token : row.length))
          expect(atEnds[0] === token).toBe(low < high)
          expect(atEnds[1]).toBeGreaterThan(token)
        }
      })
    )
  })

  it('has intervals that tile [0, 1) without gaps', () => {
    fc.assert(
      fc.property(logits, row => {
        let end = 0
        for (let token = 0; token < row.length; token++) {
          const [low, high] = cdfInterval(row, token)
          expect(low).toBe(end)
          end = high
        }
        expect(end).toBe(1)
      })
    )
  })

  it('agrees with itself on log-probabilities and interval widths', () => {
    fc.assert(
      fc.property(logits, uniform, (row, u) => {
        const sample = sampleInverseCdf(row, u)
        expect(sample.logProb).toBe(logProb(row, sample.token))
        const [low, high] = cdfInterval(row, sample.token)
        expect(Math.exp(sample.logProb)).toBeCloseTo(high - low, 12)
      })
    )
  })

  it('has log-probabilities that sum to one', () => {
    const row = Float32Array.of(0.5, -2, 3, 100)
    const total = [0, 1, 2, 3].reduce((sum, token) => sum + Math.exp(logProb(row, token)), 0)
    expect(total).toBeCloseTo(1, 12)
    expect(logProb(Float32Array.of(0, 0), 1)).toBeCloseTo(-Math.LN2, 15)
  })

  it('takes the first of equal maxima and refuses rows that are not numbers', () => {
    expect(argmax(Float32Array.of(1, 3, 3))).toBe(1)
    expect(() => sampleInverseCdf(Float32Array.of(NaN, 1), 0.5)).toThrow(RangeError)
    expect(() => sampleInverseCdf(Float32Array.of(1), 1)).toThrow(RangeError)
  })
})
