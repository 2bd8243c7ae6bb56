import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { createWindowedExtremum, extremum, observe } from './windowed-extremum.ts'

test('any samples: the extremum is that of the samples within the window, and of none when all have aged out', () => {
  const samples = fc.array(fc.record({ value: fc.integer({ min: 0, max: 20 }), afterMs: fc.nat(8) }), { maxLength: 40 })
  fc.assert(
    fc.property(fc.constantFrom('minimum' as const, 'maximum' as const), samples, fc.nat(30), (kind, samples, waitMs) => {
      const window = createWindowedExtremum(kind, 15)
      const seen: { value: number; atMs: number }[] = []
      const expected = (nowMs: number): number | undefined => {
        const recent = seen.filter(({ atMs }) => atMs >= nowMs - 15).map(({ value }) => value)
        if (recent.length === 0) return undefined
        return kind === 'minimum' ? Math.min(...recent) : Math.max(...recent)
      }
      let nowMs = 0
      for (const { value, afterMs } of samples) {
        nowMs += afterMs
        observe(window, value, nowMs)
        seen.push({ value, atMs: nowMs })
        expect(extremum(window, nowMs)).toBe(expected(nowMs))
      }
      expect(extremum(window, nowMs + waitMs)).toBe(expected(nowMs + waitMs))
    }),
    runs(300)
  )
})
