/** Numbers as people read them. One locale, that of the message catalogues; digits are never localised by the device. */
const LOCALE = 'en'

const integers = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 })
const significant = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 3 })
const decimals = [0, 1, 2].map(digits => new Intl.NumberFormat(LOCALE, { minimumFractionDigits: digits, maximumFractionDigits: digits }))
const compact = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumFractionDigits: 1 })

/** What is shown where a number does not exist yet. */
export const NOT_YET = '–'

export function formatInteger(value: number): string {
  return integers.format(value)
}

/** For tight places: 12,345 becomes 12.3K. */
export function formatCompact(value: number): string {
  return compact.format(value)
}

export function formatDecimal(value: number, digits: 0 | 1 | 2): string {
  return decimals[digits]!.format(value)
}

/** Three significant digits, and a power of ten where that would be a row of zeros. */
export function formatSignificant(value: number): string {
  const magnitude = Math.abs(value)
  if (value !== 0 && (magnitude < 1e-3 || magnitude >= 1e6)) return value.toExponential(1)
  return significant.format(value)
}

/** @param fraction 0…1 */
export function formatPercent(fraction: number, digits: 0 | 1 | 2 = 0): string {
  return `${formatDecimal(fraction * 100, digits)} %`
}

/** A difference of two fractions, in percentage points with its sign. */
export function formatPoints(difference: number): string {
  const points = Math.round(difference * 1000) / 10
  return `${points > 0 ? '+' : points < 0 ? '−' : '±'}${formatDecimal(Math.abs(points), 1)} points`
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** Decimal units, as networks and download dialogs count. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${formatDecimal(value, unit === 0 || value >= 99.95 ? 0 : 1)} ${BYTE_UNITS[unit]}`
}

export function formatDuration(seconds: number): string {
  const whole = Math.floor(seconds)
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} min ${whole % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** @param ms of one event: from tenths of a millisecond up to tenths of a second, then as `formatDuration` */
export function formatMilliseconds(ms: number): string {
  if (ms < 999.5) return `${formatDecimal(ms, ms < 9.95 ? 1 : 0)} ms`
  return ms < 59_950 ? `${formatDecimal(ms / 1000, 1)} s` : formatDuration(Math.round(ms / 1000))
}

/** token/s: generated tokens per second. */
export function formatRate(tokensPerSecond: number): string {
  return tokensPerSecond < 99.95 ? formatDecimal(tokensPerSecond, 1) : formatInteger(tokensPerSecond)
}

/** Enough of a peer id to tell the tabs of one run apart. */
export function shortPeerId(id: string): string {
  return id.slice(0, 6)
}
