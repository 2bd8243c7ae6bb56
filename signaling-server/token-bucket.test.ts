import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { fullBucket, takeToken, TokenBuckets } from './token-bucket.ts'

test('in any stretch of time no more is allowed than the burst and the rate together', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 200, size: 'max' })
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), (gaps, perSecond, burst) => {
      const bucket = fullBucket({ perSecond, burst }, 0)
      let [now, allowed] = [0, 0]
      for (const gap of gaps) {
        now += gap
        if (takeToken(bucket, { perSecond, burst }, now)) allowed++
        expect(allowed).toBeLessThanOrEqual(burst + (now / 1000) * perSecond + 1e-6)
      }
    })
  )
})

test('a burst is allowed at once, and one more after the time of one', () => {
  const rate = { perSecond: 2, burst: 3 }
  const bucket = fullBucket(rate, 0)
  expect([0, 0, 0, 0, 499, 500, 500].map(now => takeToken(bucket, rate, now))).toEqual([true, true, true, false, false, true, false])
})

test('everybody has a bucket; who took more than there was waits until it is paid, and is told how long', () => {
  const buckets = new TokenBuckets({ perSecond: 1000, burst: 300 })
  expect(buckets.take('a', 250, 0)).toBe(0)
  expect(buckets.take('a', 250, 0)).toBe(0)
  expect(buckets.take('a', 1, 0)).toBe(201)
  expect(buckets.take('b', 1, 0)).toBe(0)
  expect(buckets.take('a', 1, 200)).toBe(1)
  expect(buckets.take('a', 1, 201)).toBe(0)
})
