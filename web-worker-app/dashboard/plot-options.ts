/** A chart model as uPlot's options and data. Colours are the stylesheet's custom properties. */
import uPlot from 'uplot'
import { formatCompact, formatPercent, formatSignificant } from '../presentation/format.ts'
import type { ChartModel, ChartSeries, NumberStyle } from './chart-models.ts'

export const PLOT_HEIGHT = 190
/** Up to this many points of a line are marked one by one. */
export const MARKED_POINTS = 24

export interface Palette {
  readonly text: string
  readonly grid: string
  readonly main: string
  readonly raw: string
  readonly second: string
  readonly fill: string
}

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element)
  const color = (name: string) => style.getPropertyValue(name).trim()
  return { text: color('--muted'), grid: color('--line'), main: color('--series-main'), raw: color('--series-raw'), second: color('--series-second'), fill: color('--series-fill') }
}

const TICKS: Readonly<Record<NumberStyle, (value: number) => string>> = {
  significant: formatSignificant,
  percent: value => formatPercent(value),
  integer: formatCompact
}

const FONT = '12px system-ui, sans-serif'

function seriesOptions(series: ChartSeries, kind: ChartModel['kind'], palette: Palette): uPlot.Series {
  const scale = series.role === 'second' ? 'right' : 'left'
  const shared = { label: series.label, scale, stroke: palette[series.role] }
  if (kind === 'bars') return { ...shared, fill: palette.fill, width: 1.5, paths: uPlot.paths.bars!({ size: [0.7, 48] }), points: { show: false } }
  return {
    ...shared,
    width: series.role === 'raw' ? 1 : 2,
    ...(series.role === 'second' ? { dash: [6, 4] } : {}),
    // A line of one point would be invisible.
    points: { show: series.values.length < 2 || (series.values.length <= MARKED_POINTS && series.role !== 'raw'), size: 6, fill: palette[series.role] }
  }
}

/** Space that the widest label needs. */
const axisSize: uPlot.Axis.Size = (plot, labels) => {
  const widest = (labels ?? []).reduce((longest, label) => Math.max(longest, label.length), 1)
  return 16 + widest * 7
}

function valueAxis(scale: 'left' | 'right', style: NumberStyle, palette: Palette): uPlot.Axis {
  return {
    scale,
    side: scale === 'left' ? 3 : 1,
    stroke: palette.text,
    font: FONT,
    size: axisSize,
    space: 34,
    grid: { show: scale === 'left', stroke: palette.grid, width: 1 },
    ticks: { show: false },
    values: (_plot, splits) => splits.map(value => (style === 'integer' && !Number.isInteger(value) ? '' : TICKS[style](value)))
  }
}

/** uPlot would stretch a single value to a hundred. */
export function horizontalRange(x: ArrayLike<number>, kind: ChartModel['kind']): [number, number] {
  const [first, last] = [x[0] ?? 0, x[x.length - 1] ?? 0]
  if (kind === 'bars') return [first - 0.5, last + 0.5]
  return [first, Math.max(last, first + 1)]
}

/** Called with the index of the point under the cursor, or null. */
export type PointedAt = (index: number | null) => void

export function plotOptions(model: ChartModel, width: number, palette: Palette, onPoint: PointedAt): uPlot.Options {
  const second = model.series.find(series => series.role === 'second')
  const style = model.series[0]!.style
  const bars = model.kind === 'bars'
  const { range } = model
  return {
    width,
    height: PLOT_HEIGHT,
    legend: { show: false },
    // Charts over updates share their cursor, so that one moment is read across all of them.
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, ...(bars ? {} : { sync: { key: 'update' } }) },
    scales: {
      x: { time: false, range: plot => horizontalRange(plot.data[0], model.kind) },
      left: { range: range === null ? { min: { pad: 0.1, soft: 0, mode: 2 }, max: { pad: 0.1, soft: 0, mode: 2 } } : [range[0], range[1]] },
      ...(second === undefined ? {} : { right: { range: { min: { pad: 0.1, soft: 0, mode: 2 }, max: { pad: 0.1, soft: 0, mode: 2 } } } })
    },
    axes: [
      {
        stroke: palette.text,
        font: FONT,
        size: 28,
        space: 48,
        grid: { show: false },
        ticks: { show: true, stroke: palette.grid, size: 4 },
        values: (_plot, splits) => splits.map(value => (Number.isInteger(value) ? formatCompact(value) : ''))
      },
      valueAxis('left', style, palette),
      ...(second === undefined ? [] : [valueAxis('right', second.style, palette)])
    ],
    series: [{}, ...model.series.map(series => seriesOptions(series, model.kind, palette))],
    hooks: { setCursor: [plot => onPoint(plot.cursor.idx ?? null)] }
  }
}

export function plotData(model: ChartModel): uPlot.AlignedData {
  return [[...model.x], ...model.series.map(series => [...series.values])]
}
