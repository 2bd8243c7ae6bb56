/** Choice of a chain: time for one request among 100 to 1,000 peers, each with twelve measured links. */
import { createRng } from '#shared/random/rng.ts'
import { routeChain, type SliceHost } from '#shared/scheduling/chain-routing.ts'
import { createLinkMap, reportRoundTrips } from '#shared/scheduling/link-map.ts'
import { median, type BenchmarkResult, type Cell } from '../benchmark.ts'

const SIZES = [20, 100, 300, 1000]
const REPEATS = 31
const WARM_UPS = 10
const LAYERS = 28
const LINKS_EACH = 12

/** `quarters`: four stages of seven layers each. `ragged`: slices of 7 to 14 layers that begin anywhere. */
const SLICINGS = ['quarters', 'ragged'] as const

function routeMs(peers: number, slicing: (typeof SLICINGS)[number]): number {
  const rng = createRng(`${slicing} ${peers}`)
  const places = Array.from({ length: peers }, (_, index) => ({ peer: `tab-${index}`, x: 200 * rng.float(), y: 200 * rng.float() }))
  const links = createLinkMap()
  for (const from of places) {
    const others = Array.from({ length: LINKS_EACH }, () => places[rng.below(peers)]!).filter(other => other !== from)
    reportRoundTrips(links, from.peer, others.map(other => ({ peer: other.peer, ms: Math.hypot(from.x - other.x, from.y - other.y) })))
  }
  const hosts = places.map(({ peer }, index): SliceHost => {
    const start = slicing === 'quarters' ? 7 * (index % 4) : Math.max(0, rng.below(LAYERS) - 6)
    const end = slicing === 'quarters' ? start + 7 : Math.min(LAYERS, start + 7 + rng.below(8))
    const cost = { layerMs: 0.5 + 3 * rng.float(), queueMs: 20 * rng.float(), sendMs: 3 * rng.float() }
    return { peer, slice: { start, end, embed: start === 0, head: end === LAYERS }, versions: [1], ready: true, freeRows: 4, cost }
  })
  const times = Array.from({ length: WARM_UPS + REPEATS }, () => {
    const start = performance.now()
    routeChain({ layers: LAYERS, version: 1 }, hosts, links)
    return performance.now() - start
  })
  return median(times.slice(WARM_UPS))
}

export function routingPart(log: (line: string) => void): BenchmarkResult {
  const rows = SIZES.flatMap(peers =>
    SLICINGS.map((slicing): Record<string, Cell> => {
      log(`routing among ${peers} peers, ${slicing}`)
      return { part: 'routing', peers, slicing, 'ms per request': routeMs(peers, slicing) }
    })
  )
  const at300 = rows.filter(({ peers }) => peers === 300).map(row => Number(row['ms per request']))
  return {
    rows,
    headline: { routeMs300: Math.max(...at300) },
    notes: [`routing: medians of ${REPEATS} requests, 28 layers, ${LINKS_EACH} measured links per peer on a plane, every peer usable; routeMs300 is the slower of both slicings`]
  }
}
