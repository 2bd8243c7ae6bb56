/** Curves of several seeds as a picture for the documentation, readable on light and dark pages. */

export interface Curve {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface CurvesPicture {
  readonly title: string
  readonly xLabel: string
  /** Written at the ticks of the y axis. */
  readonly format: (y: number) => string
  /** Lowest and highest y. */
  readonly range: readonly [number, number]
  /** A dashed line across, with what it means. */
  readonly goal?: { readonly y: number; readonly label: string }
  readonly curves: readonly Curve[]
}

const WIDTH = 480
const HEIGHT = 260
const LEFT = 52
const RIGHT = 12
const TOP = 30
const BOTTOM = 38
/** Of Okabe and Ito (2008), "Color Universal Design": told apart by people with any colour vision. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7']
const Y_TICKS = 4

export function curvesSvg({ title, xLabel, format, range: [low, high], goal, curves }: CurvesPicture): string {
  const last = Math.max(1, ...curves.flatMap(({ points }) => points.map(([x]) => x)))
  const x = (value: number): string => (LEFT + (value / last) * (WIDTH - LEFT - RIGHT)).toFixed(1)
  const y = (value: number): string => (HEIGHT - BOTTOM - ((Math.min(high, Math.max(low, value)) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM)).toFixed(1)
  const text = (left: string | number, top: string | number, anchor: string, content: string): string => `<text x="${left}" y="${top}" text-anchor="${anchor}">${escaped(content)}</text>`
  const ticks = Array.from({ length: Y_TICKS + 1 }, (_, tick) => low + ((high - low) * tick) / Y_TICKS)
  const parts = [
    text(LEFT, 18, 'start', title),
    ...ticks.map(tick => `<path class="grid" d="M${LEFT} ${y(tick)}H${WIDTH - RIGHT}"/>${text(LEFT - 6, Number(y(tick)) + 4, 'end', format(tick))}`),
    text(LEFT, HEIGHT - 20, 'middle', '0'),
    text(WIDTH - RIGHT, HEIGHT - 20, 'end', String(last)),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, 'middle', xLabel),
    ...(goal === undefined ? [] : [`<path class="goal" d="M${LEFT} ${y(goal.y)}H${WIDTH - RIGHT}"/>${text(WIDTH - RIGHT, Number(y(goal.y)) - 4, 'end', goal.label)}`]),
    ...curves.map(({ points }, index) => `<polyline stroke="${COLOURS[index % COLOURS.length]}" points="${points.map(([px, py]) => `${x(px)},${y(py)}`).join(' ')}"/>`),
    ...curves.map(({ name }, index) => `<text x="${WIDTH - RIGHT - (curves.length - 1 - index) * 54}" y="18" text-anchor="end" fill="${COLOURS[index % COLOURS.length]}">${escaped(name)}</text>`)
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#808080">
<title>${escaped(title)}</title>
<style>.grid{stroke:#808080;stroke-opacity:.25}.goal{stroke:#808080;stroke-dasharray:4 4}polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}</style>
${parts.join('\n')}
</svg>
`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
