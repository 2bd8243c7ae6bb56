import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { COST_HALF_LIFE_MS, createLayerCostFit, fittedLayerCost, layerMs, observeLayerCost, type LayerCost } from './layer-cost.ts'

function fitted(samples: readonly { rows: number; ms: number; atMs: number }[]): LayerCost {
  const fit = createLayerCostFit()
  for (const { rows, ms, atMs } of samples) observeLayerCost(fit, { rows, ms }, atMs)
  return fittedLayerCost(fit)!
}

test('nothing measured, nothing claimed', () => {
  expect(fittedLayerCost(createLayerCostFit())).toBeUndefined()
})

test('any true line is found again from batches of two sizes that cost the same each time, after half-lives of something else', () => {
  const part = fc.double({ min: 0.05, max: 20, noNaN: true })
  fc.assert(
    fc.property(part, part, part, fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 12 }), (fixedMs, perRowMs, formerMs, sizes) => {
      const former = [1, 8, 32].map((rows, index) => ({ rows, ms: formerMs * rows, atMs: index }))
      const later = [sizes[0]!, ...sizes, 1, 64].map((rows, index) => ({ rows, ms: fixedMs + perRowMs * rows, atMs: 40 * COST_HALF_LIFE_MS + index * 10 }))
      const { fixedMs: fixed, perRowMs: perRow } = fitted([...former, ...later])
      expect(fixed).toBeCloseTo(fixedMs, 3)
      expect(perRow).toBeCloseTo(perRowMs, 3)
    }),
    runs(200)
  )
})

test('a tab that works at one batch size and is throttled threefold is seen to be three times as slow at every size', () => {
  const calibration = [1, 1, 4, 16].map((rows, index) => ({ rows, ms: 2 + 0.5 * rows, atMs: index }))
  const steps = Array.from({ length: 400 }, (_, index) => ({ rows: 8, ms: 3 * (2 + 0.5 * 8), atMs: 5000 + index * 200 }))
  const cost = fitted([...calibration, ...steps])
  expect(layerMs(cost, 1)).toBeCloseTo(3 * 2.5, 1)
  expect(layerMs(cost, 32)).toBeCloseTo(3 * 18, 0)
})

test('batches of nearly one size on a busy machine do not pass for gains by batching', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 30, maxLength: 60 }), noise => {
      const calibration = [1, 1, 8, 8, 32, 32].map((rows, index) => ({ rows, ms: 2 + rows, atMs: index }))
      const steps = noise.map((each, index) => ({ rows: 21 + Number(index % 3 === 0), ms: (2 + 21) * (1 + 0.3 * each), atMs: 100 + index * 300 }))
      const cost = fitted([...calibration, ...steps])
      expect(layerMs(cost, 32) / layerMs(cost, 16)).toBeGreaterThan(1.5)
    }),
    runs(200)
  )
})

test('one batch size alone promises no gain by batching', () => {
  expect(fitted([{ rows: 4, ms: 8, atMs: 0 }, { rows: 4, ms: 8, atMs: 5 }])).toEqual({ fixedMs: 0, perRowMs: 2 })
})

test('no noise makes a part of the cost negative', () => {
  const sample = fc.record({ rows: fc.integer({ min: 1, max: 64 }), ms: fc.double({ min: 0, max: 1000, noNaN: true }), atMs: fc.constant(0) })
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 30 }), samples => {
      const { fixedMs, perRowMs } = fitted(samples.map((sample, index) => ({ ...sample, atMs: index * 100 })))
      expect(fixedMs).toBeGreaterThanOrEqual(0)
      expect(perRowMs).toBeGreaterThanOrEqual(0)
      expect(Number.isFinite(fixedMs) && Number.isFinite(perRowMs)).toBe(true)
    }),
    runs(300)
  )
})
