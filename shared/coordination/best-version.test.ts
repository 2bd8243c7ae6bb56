import { expect, test } from 'vitest'
import { bestVersion } from './best-version.ts'

const blinds = (value: number) => ({ bigBlinds: { value, low: value - 1, high: value + 1 } })
const evaluations = [
  { version: 0, success: 0.25, n: 8, metrics: blinds(-2) },
  { version: 10, success: 0.5, n: 8, metrics: blinds(-3) },
  { version: 20, success: 0.5, n: 8, metrics: blinds(-1.5) },
  { version: 30, success: 0.375, n: 8 }
]

test('the best version has the highest figure, and is the earliest of those', () => {
  expect(bestVersion(evaluations, 'success')).toEqual({ version: 10, metric: 'success', value: 0.5 })
  expect(bestVersion(evaluations, 'bigBlinds')).toEqual({ version: 20, metric: 'bigBlinds', value: -1.5 })
})

test('without the figure there is none', () => {
  expect(bestVersion([], 'success')).toBeUndefined()
  expect(bestVersion(evaluations, 'moves')).toBeUndefined()
})
