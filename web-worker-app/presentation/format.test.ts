import { expect, test } from 'vitest'
import { formatBytes, formatDuration, formatMilliseconds, formatPercent, formatPoints, formatRate, formatSignificant, shortPeerId } from './format.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [3_245_672, '3.2 MB'],
  [15_400_000_000, '15.4 GB']
])('%d bytes', (bytes, shown) => expect(formatBytes(bytes)).toBe(shown))

test.each([
  [0, '0 s'],
  [59.9, '59 s'],
  [60, '1 min 0 s'],
  [3599, '59 min 59 s'],
  [3600, '1 h 0 min'],
  [90_061, '25 h 1 min']
])('%d seconds', (seconds, shown) => expect(formatDuration(seconds)).toBe(shown))

test.each([
  [0, '0.0 ms'],
  [9.94, '9.9 ms'],
  [9.95, '10 ms'],
  [999.4, '999 ms'],
  [999.5, '1.0 s'],
  [59_900, '59.9 s'],
  [59_950, '1 min 0 s']
])('%d milliseconds', (ms, shown) => expect(formatMilliseconds(ms)).toBe(shown))

test.each([
  [0, '0'],
  [0.00042, '4.2e-4'],
  [0.001, '0.001'],
  [-0.91234, '-0.912'],
  [1234, '1,230'],
  [2_000_000, '2.0e+6']
])('%d to three significant digits', (value, shown) => expect(formatSignificant(value)).toBe(shown))

test('differences of fractions are signed percentage points', () => {
  expect([0.538, -0.1, 0.0001].map(formatPoints)).toEqual(['+53.8 points', '−10.0 points', '±0.0 points'])
})

test('percent, rate and peer ids', () => {
  expect([formatPercent(0.954), formatPercent(0.954, 1)]).toEqual(['95 %', '95.4 %'])
  expect([formatRate(0), formatRate(99.94), formatRate(99.96), formatRate(1234.5)]).toEqual(['0.0', '99.9', '100', '1,235'])
  expect(shortPeerId('0123456789abcdef0123456789abcdef')).toBe('012345')
})
