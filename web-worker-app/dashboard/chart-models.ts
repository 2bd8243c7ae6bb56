/** The five charts of a run: the same numbers as a drawing, as a table and as a sentence. Pure. */
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import { formatInteger, formatPercent, formatSignificant, NOT_YET } from '../presentation/format.ts'
import { successByVersion } from '../presentation/held-out-success.ts'
import { messages } from './messages.ts'

const text = messages.charts

export type ChartId = 'reward' | 'success' | 'lag' | 'policy' | 'gradient'
export type NumberStyle = 'significant' | 'percent' | 'integer'

export interface ChartSeries {
  readonly label: string
  /** One per x; null leaves a gap. */
  readonly values: readonly (number | null)[]
  readonly style: NumberStyle
  /** `raw` is drawn faint under `main`; `second` is dashed and has its scale on the right. */
  readonly role: 'main' | 'raw' | 'second'
}

export interface ChartModel {
  readonly id: ChartId
  readonly title: string
  readonly kind: 'line' | 'bars'
  readonly xLabel: string
  readonly x: readonly number[]
  readonly series: readonly ChartSeries[]
  /** Lower and upper end of the left scale where the quantity has natural ones. */
  readonly range: readonly [number, number] | null
  /** What the drawing says, for those who do not see it. */
  readonly sentence: string
}

const FORMATS: Readonly<Record<NumberStyle, (value: number) => string>> = {
  significant: formatSignificant,
  percent: value => formatPercent(value, 1),
  integer: formatInteger
}

export function formatPoint(value: number | null | undefined, style: NumberStyle): string {
  return value === null || value === undefined ? NOT_YET : FORMATS[style](value)
}

function trendSentence(name: string, xLabel: string, x: readonly number[], values: readonly (number | null)[], style: NumberStyle): string {
  const points = values.flatMap((value, i) => (value === null ? [] : [{ x: x[i]!, value }]))
  const [first] = points
  const last = points.at(-1)
  if (first === undefined || last === undefined) return text.noDataSentence(name)
  const format = FORMATS[style]
  if (points.length === 1) return text.one(name, format(first.value), xLabel, formatInteger(first.x))
  const low = points.reduce((least, { value }) => Math.min(least, value), Infinity)
  const high = points.reduce((most, { value }) => Math.max(most, value), -Infinity)
  return text.trend(name, format(first.value), format(last.value), xLabel, formatInteger(first.x), formatInteger(last.x), format(low), format(high))
}

export const REWARD_WINDOW = 10

/** Mean of each value and up to `window - 1` before it. */
export function trailingMean(values: readonly number[], window: number): number[] {
  let sum = 0
  return values.map((value, i) => {
    sum += value - (i >= window ? values[i - window]! : 0)
    return sum / Math.min(i + 1, window)
  })
}

function rewardChart({ report }: RunFeed): ChartModel {
  const { title, series, trailing } = text.reward
  const x = report.reward.map((_, i) => i + 1)
  const sentence = trendSentence(title, text.update, x, report.reward, 'significant')
  return {
    id: 'reward',
    title,
    kind: 'line',
    xLabel: text.update,
    x,
    series: [
      { label: series, values: report.reward, style: 'significant', role: 'raw' },
      { label: trailing(REWARD_WINDOW), values: trailingMean(report.reward, REWARD_WINDOW), style: 'significant', role: 'main' }
    ],
    range: null,
    sentence
  }
}

function successChart(feed: RunFeed): ChartModel {
  const { title, series } = text.success
  const points = successByVersion(feed)
  const x = points.map(point => point.version)
  const values = points.map(point => point.success)
  return {
    id: 'success',
    title,
    kind: 'line',
    xLabel: text.version,
    x,
    series: [{ label: series, values, style: 'percent', role: 'main' }],
    range: [0, 1],
    sentence: trendSentence(title, text.version, x, values, 'percent')
  }
}

function lagChart({ report: { lag, stalenessBudget } }: RunFeed): ChartModel {
  const { title, x: xLabel, series } = text.lag
  const total = lag.histogram.reduce((sum, n) => sum + n, 0)
  // The whole budget is on the axis, so that unused staleness is seen as such. A budget beyond any histogram is not drawn.
  const bars = total === 0 ? 0 : Math.max(lag.histogram.length, Math.min(stalenessBudget, 64) + 1)
  const values = Array.from({ length: bars }, (_, k) => lag.histogram[k] ?? 0)
  const commonest = values.indexOf(values.reduce((most, n) => Math.max(most, n), 0))
  return {
    id: 'lag',
    title,
    kind: 'bars',
    xLabel,
    x: values.map((_, k) => k),
    series: [{ label: series, values, style: 'integer', role: 'main' }],
    range: null,
    sentence: total === 0 ? text.noDataSentence(title) : text.histogram(formatInteger(total), formatSignificant(lag.mean), formatInteger(lag.max), formatInteger(commonest))
  }
}

function policyChart({ metrics }: RunFeed): ChartModel {
  const { title, entropy, mismatchKl } = text.policy
  const x = metrics.map(step => step.version)
  const entropies = metrics.map(step => step.entropy)
  const divergences = metrics.map(step => step.mismatchKl)
  return {
    id: 'policy',
    title,
    kind: 'line',
    xLabel: text.version,
    x,
    series: [
      { label: entropy, values: entropies, style: 'significant', role: 'main' },
      { label: mismatchKl, values: divergences, style: 'significant', role: 'second' }
    ],
    range: null,
    sentence:
      metrics.length === 0
        ? text.noDataSentence(title)
        : `${trendSentence('Entropy', text.version, x, entropies, 'significant')} ${trendSentence('Mismatch KL', text.version, x, divergences, 'significant')}`
  }
}

function gradientChart({ metrics }: RunFeed): ChartModel {
  const { title, series } = text.gradient
  const x = metrics.map(step => step.version)
  const values = metrics.map(step => step.gradientNorm)
  return {
    id: 'gradient',
    title,
    kind: 'line',
    xLabel: text.version,
    x,
    series: [{ label: series, values, style: 'significant', role: 'main' }],
    range: null,
    sentence: trendSentence(title, text.version, x, values, 'significant')
  }
}

export function chartModels(feed: RunFeed): ChartModel[] {
  return [rewardChart(feed), successChart(feed), lagChart(feed), policyChart(feed), gradientChart(feed)]
}
