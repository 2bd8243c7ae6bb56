import { expect, test } from 'vitest'
import { DEFAULT_OPTIMIZER, learningRateAt } from './optimizer-config.ts'

const rate = (step: number, change: object): number => learningRateAt({ ...DEFAULT_OPTIMIZER, learningRate: 1, ...change }, step)

test('the learning rate is constant unless the run says otherwise', () => {
  expect([1, 100, 10_000].map(step => rate(step, {}))).toEqual([1, 1, 1])
})

test('it rises over the warm-up', () => {
  expect([1, 2, 4, 5].map(step => rate(step, { warmupSteps: 4 }))).toEqual([0.25, 0.5, 1, 1])
})

test('it falls to nothing over the decay, and stays there', () => {
  expect([1, 3, 4, 5, 6].map(step => rate(step, { decaySteps: 4 }))).toEqual([1, 0.5, 0.25, 0, 0])
})
