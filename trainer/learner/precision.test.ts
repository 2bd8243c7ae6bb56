import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { randomWeights } from '#shared/model/random-weights.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import type { LearnerBackend } from './learner-backend.ts'
import { DEFAULT_OPTIMIZER } from './optimizer-config.ts'
import { createOrtBackend } from './ort-backend.ts'
import { roundToBfloat16, type Precision } from './precision.ts'
import { supervisedStep } from './supervised.ts'
import { TrainedPolicy } from './trained-policy.ts'

const rounded = (...numbers: number[]): number[] => {
  const to = new Float32Array(numbers.length)
  roundToBfloat16(Float32Array.from(numbers), to)
  return [...to]
}

test('numbers go to the nearest of eight significant bits, halves to the even one', () => {
  expect(rounded(1, 1 + 2 ** -8, 1 + 2 ** -8 + 2 ** -20, 1 + 3 * 2 ** -8, -1 - 2 ** -8, 0, -0, 1 + 2 ** -7)).toEqual([1, 1, 1 + 2 ** -7, 1 + 2 ** -6, -1, 0, -0, 1 + 2 ** -7])
  fc.assert(
    fc.property(fc.float({ noNaN: true, min: -(2 ** 100), max: 2 ** 100, noDefaultInfinity: true }), number => {
      const [once] = rounded(number)
      expect(rounded(once!)).toEqual([once])
      expect(new Uint32Array(Float32Array.of(once!).buffer)[0]! & 0xffff).toBe(0)
      // Half of the last bit; numbers below 2^-126 have fewer of them.
      expect(Math.abs(once! - number)).toBeLessThanOrEqual(Math.max(Math.abs(number) * 2 ** -8, 2 ** -134))
    })
  )
})

describe('a policy in bfloat16', () => {
  const config = tinyConfig({ layers: 1 })
  const batch = [{ promptLength: 2, tokens: [1, 3, 4] }, { promptLength: 2, tokens: [1, 5, 6, 7] }]
  let backend: LearnerBackend
  beforeAll(async () => {
    backend = await createOrtBackend(config, null, { threads: 1 })
  })
  afterAll(() => backend.dispose())

  const policy = (precision: Precision, learningRate = 1e-3): TrainedPolicy => new TrainedPolicy(backend, config, { ...DEFAULT_OPTIMIZER, learningRate, warmupSteps: 0 }, randomWeights(config, 1), null, precision)
  const bits = (tensors: Tensors): Map<string, Buffer> => new Map([...tensors].map(([name, { data }]) => [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]))

  test('is the base as it is until the first update, and rounded from then on; the optimizer keeps what it is rounded from', async () => {
    const learnt = policy('bfloat16')
    expect(bits(learnt.version())).toEqual(bits(randomWeights(config, 1)))
    await supervisedStep(learnt, batch)
    const { parameters, moments } = learnt.state()
    for (const [name, { data }] of parameters) {
      const master = moments.get(`${name}.master`)!.data
      const expected = new Float32Array(data.length)
      roundToBfloat16(master, expected)
      expect({ name, isRounded: Buffer.from(data.buffer).equals(Buffer.from(expected.buffer)) }).toEqual({ name, isRounded: true })
    }
    expect(policy('float32').state().moments.has([...parameters.keys()][0] + '.master')).toBe(false)
  })

  test('steps that are too small for a rounded weight add up', async () => {
    const learnt = policy('bfloat16', 1e-5)
    await supervisedStep(learnt, batch)
    const first = learnt.version()
    let changed = 0
    for (let step = 0; step < 40; step++) await supervisedStep(learnt, batch)
    for (const [name, { data }] of learnt.version()) changed += data.filter((value, at) => value !== first.get(name)!.data[at]).length
    // 40 steps of 1e-5, most of them in one direction, pass the next bfloat16 of many weights below a tenth, whose half distance is up to 2.4e-4.
    expect(changed).toBeGreaterThan(100)
  })

  test('goes on from a saved state as if nothing had happened', async () => {
    const learnt = policy('bfloat16')
    await supervisedStep(learnt, batch)
    const other = policy('bfloat16')
    other.restore(learnt.state())
    await supervisedStep(learnt, batch)
    await supervisedStep(other, batch)
    expect(bits(other.state().parameters)).toEqual(bits(learnt.state().parameters))
    expect(bits(other.state().moments)).toEqual(bits(learnt.state().moments))
  })
})
