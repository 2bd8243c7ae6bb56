import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { originShare } from './origin-share.ts'

const uplink = fc.option(fc.double({ min: 0, max: 1e9, noNaN: true }), { nil: undefined })
const uplinks = fc.array(uplink, { minLength: 1, maxLength: 40 })
const total = fc.integer({ min: 1, max: 5_000 })

test('whatever the uplinks are, nobody gets nothing, who is faster gets no less, and all together take everything', () => {
  fc.assert(
    fc.property(total, uplinks, (total, all) => {
      const shares = all.map(own => originShare(total, own, all))
      for (const share of shares) expect(share).toBeGreaterThanOrEqual(1)
      const sum = shares.reduce((sum, share) => sum + share, 0)
      expect(sum).toBeGreaterThanOrEqual(total)
      expect(sum).toBeLessThanOrEqual(total + all.length)
      const known = all.flatMap((own, place) => (own === undefined ? [] : [{ own, share: shares[place]! }])).toSorted((left, right) => left.own - right.own)
      for (let place = 1; place < known.length; place++) expect(known[place]!.share).toBeGreaterThanOrEqual(known[place - 1]!.share)
    }),
    runs(300)
  )
})

test('a tab whose uplink nobody has measured gets what one with the median uplink gets', () => {
  fc.assert(
    fc.property(total, fc.array(fc.double({ min: 1, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 19 }).filter(({ length }) => length % 2 === 1), (total, known) => {
      const median = known.toSorted((left, right) => left - right)[(known.length - 1) / 2]!
      const all = [...known, undefined]
      expect(originShare(total, undefined, all)).toBe(originShare(total, median, all))
    }),
    runs(100)
  )
})

test('shares are in proportion to uplinks; equal where none is known', () => {
  const all = [1_000, 500, 100, 500]
  expect(all.map(own => originShare(210, own, all))).toEqual([100, 50, 10, 50])
  expect(originShare(80, undefined, Array.from({ length: 8 }, () => undefined))).toBe(10)
  expect(originShare(80, 0, [0, 0])).toBe(40)
})

test('a tab that says its uplink is beyond measure does not get everything', () => {
  const all = [...Array.from({ length: 15 }, () => 1e6), 1e15]
  expect(originShare(2_300, 1e15, all)).toBe(800)
  expect(originShare(2_300, 1e6, all)).toBe(100)
})
