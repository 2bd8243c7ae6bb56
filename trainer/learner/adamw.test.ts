import { describe, expect, it } from 'vitest'
import { adamW } from './adamw.ts'
import { clippingFactor, globalNorm } from './gradient-clipping.ts'

const OPTIONS = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 }

describe('adamW', () => {
  it('moves by the learning rate against the sign of the first gradient, whatever its size', () => {
    const parameter = Float32Array.of(1, 1, 1)
    adamW(parameter, Float32Array.of(100, -1e-3, 0), { first: new Float32Array(3), second: new Float32Array(3) }, 1, 0.1, 1, OPTIONS)
    expect(parameter[0]).toBeCloseTo(0.9, 5)
    expect(parameter[1]).toBeCloseTo(1.1, 5)
    expect(parameter[2]).toBe(1)
  })

  it('follows algorithm 2 over several steps, with decay and a gradient scale', () => {
    const options = { ...OPTIONS, weightDecay: 0.1 }
    const parameter = Float32Array.of(0.5)
    const moments = { first: new Float32Array(1), second: new Float32Array(1) }
    let [theta, m, v] = [0.5, 0, 0]
    for (const [index, gradient] of [0.3, -0.2, 0.7, 0.1].entries()) {
      const step = index + 1
      adamW(parameter, Float32Array.of(gradient), moments, step, 0.05, 0.5, options)
      const g = gradient * 0.5
      m = 0.9 * m + 0.1 * g
      v = 0.99 * v + 0.01 * g * g
      theta -= 0.05 * (m / (1 - 0.9 ** step) / (Math.sqrt(v / (1 - 0.99 ** step)) + 1e-8) + 0.1 * theta)
      expect(parameter[0]).toBeCloseTo(theta, 5)
    }
  })

  it('finds the minimum of a quadratic', () => {
    const parameter = Float32Array.of(3, -2)
    const moments = { first: new Float32Array(2), second: new Float32Array(2) }
    for (let step = 1; step <= 500; step++) {
      adamW(parameter, parameter.map((value, at) => (at === 0 ? 2 : 20) * (value - 1)), moments, step, 0.05, 1, OPTIONS)
    }
    expect(parameter[0]).toBeCloseTo(1, 2)
    expect(parameter[1]).toBeCloseTo(1, 2)
  })
})

describe('gradient clipping', () => {
  it('measures all tensors together and scales down to the limit only', () => {
    const gradients = new Map([
      ['a', Float32Array.of(3, 0)],
      ['b', Float32Array.of(0, 4)]
    ])
    expect(globalNorm(gradients)).toBe(5)
    expect(clippingFactor(5, 1)).toBe(0.2)
    expect(clippingFactor(0.5, 1)).toBe(1)
  })

  it.each([NaN, Infinity])('reports %s anywhere', value => {
    expect(Number.isFinite(globalNorm(new Map([['a', Float32Array.of(0, value)]])))).toBe(false)
  })
})
