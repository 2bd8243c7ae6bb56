/** How the time until the last tab has a version grows with the fleet, in the simulator: the mesh of the swarm, with and without churn, beside chain, tree, stripes and star. */
import { LIMITS } from '#shared/protocol/limits.ts'
import { createRng } from '#shared/random/rng.ts'
import { leastPossibleMs, simulateDissemination } from '#shared/simulation/dissemination.ts'
import { chainOverlay, meshOverlay, starOverlay, stripesOverlay, treeOverlay } from '#shared/simulation/overlays.ts'
import type { NetworkNode } from '#shared/simulation/packet-network.ts'
import type { Benchmark, BenchmarkResult, Cell } from '../benchmark.ts'
import { median } from '../benchmark.ts'

const BYTES_PER_MS = 125
const UPLINK_MBIT = 20
const DOWNLINK_MBIT = 100
const ORIGIN: NetworkNode = { upBytesPerMs: 40 * BYTES_PER_MS, downBytesPerMs: 1000 * BYTES_PER_MS, oneWayMs: 10 }
const VERSION = { chunks: 80, chunkBytes: LIMITS.adapterChunkBytes }
const VERSION_BYTES = VERSION.chunks * VERSION.chunkBytes
const CHURN_PER_MINUTE = 0.5
/** Those who have not finished by then are told of as that. */
const LIMIT_MS = 300_000
/** Long lines and stars take as long as their number says: they are simulated where that is to be seen. */
const LINEAR_UP_TO = 100
const COUNTS = [2, 4, 8, 16, 32, 100, 300, 1000]

const WAYS = {
  mesh: (tabs: number, seed: number) => meshOverlay(tabs, createRng(seed)),
  chain: chainOverlay,
  tree: (tabs: number) => treeOverlay(tabs, 2),
  stripes: (tabs: number) => stripesOverlay(tabs, 4),
  star: starOverlay
}
type Way = keyof typeof WAYS

interface Course {
  readonly count: number
  readonly way: Way
  readonly leavesPerMinute: number
  readonly lastMs: readonly number[]
  readonly leastMs: number
  readonly originCopies: number
  readonly unfinished: number
}

const seedsFor = (count: number): number[] => (count <= 32 ? [1, 2, 3] : [1])

function homes(count: number, seed: number): NetworkNode[] {
  const rng = createRng(`homes ${seed}`)
  return Array.from({ length: count }, () => ({ upBytesPerMs: UPLINK_MBIT * BYTES_PER_MS, downBytesPerMs: DOWNLINK_MBIT * BYTES_PER_MS, oneWayMs: 5 + 30 * rng.float() }))
}

function simulate(count: number, way: Way, leavesPerMinute: number): Course {
  const results = seedsFor(count).map(seed => simulateDissemination({ tabs: homes(count, seed), origin: ORIGIN, ...VERSION, overlay: WAYS[way](count, seed), leavesPerMinute, seed, limitMs: LIMIT_MS }))
  return {
    count,
    way,
    leavesPerMinute,
    lastMs: results.map(({ doneMs }) => Math.max(...doneMs.filter(ms => !Number.isNaN(ms)))),
    leastMs: leastPossibleMs(homes(count, 1), ORIGIN, VERSION_BYTES),
    originCopies: median(results.map(({ originCopies }) => originCopies)),
    unfinished: results.reduce((sum, { doneMs }) => sum + doneMs.filter(ms => Number.isNaN(ms)).length, 0)
  }
}

function rowOf({ count, way, leavesPerMinute, lastMs, leastMs, originCopies, unfinished }: Course): Record<string, Cell> {
  return {
    tabs: count,
    way,
    'leave per minute': leavesPerMinute,
    // Of those who go without there is no time.
    'seconds to the last': unfinished > 0 ? '' : median(lastMs) / 1000,
    'least possible, s': leastMs / 1000,
    ratio: unfinished > 0 ? '' : median(lastMs) / leastMs,
    'copies from the origin': originCopies,
    'without it after 5 min': unfinished
  }
}

function run(log: (line: string) => void): BenchmarkResult {
  const courses: Course[] = []
  const measure = (count: number, way: Way, leavesPerMinute = 0): void => {
    const course = simulate(count, way, leavesPerMinute)
    courses.push(course)
    log(`${count} tabs, ${way}${leavesPerMinute > 0 ? ', with churn' : ''}: ${course.unfinished > 0 ? `${course.unfinished} without it after 5 min` : `${course.lastMs.map(ms => (ms / 1000).toFixed(1)).join(', ')} s`}, ${course.originCopies.toFixed(2)} copies`)
  }
  for (const count of COUNTS) {
    measure(count, 'mesh')
    measure(count, 'mesh', CHURN_PER_MINUTE)
    for (const way of ['tree', 'stripes'] as const) {
      measure(count, way)
      measure(count, way, CHURN_PER_MINUTE)
    }
    if (count <= LINEAR_UP_TO) for (const way of ['chain', 'star'] as const) measure(count, way)
  }
  const found = (count: number, way: Way, leavesPerMinute: number): Course => courses.find(course => course.count === count && course.way === way && course.leavesPerMinute === leavesPerMinute)!
  const time = (course: Course): number => median(course.lastMs)
  const [few, many, churned] = [found(8, 'mesh', 0), found(1000, 'mesh', 0), found(1000, 'mesh', CHURN_PER_MINUTE)]
  return {
    rows: courses.map(rowOf),
    headline: {
      simulatedN1000OverN8: time(many) / time(few),
      simulatedChurnN1000OverN8: time(churned) / time(few),
      originCopiesChurnN1000: churned.originCopies,
      starN32OverN8: time(found(32, 'star', 0)) / time(found(8, 'star', 0))
    },
    notes: [
      `a version of ${(VERSION_BYTES / 1e6).toFixed(1)} MB in chunks of 256 KiB, uplinks of ${UPLINK_MBIT} Mbit/s, downlinks of ${DOWNLINK_MBIT}, an origin of 40, 5 to 35 ms to the middle of the network; virtual time, medians of three seeds up to 32 tabs, one seed beyond`,
      'the machines of the swarm in every tab, the origin and the server; mesh: links as the server introduces; tree: each serves two; stripes: four trees, each serves four in one of them; in these a newcomer takes the place, and the links, of whoever left',
      'with churn each tab that has not finished leaves 0.5 times a minute, and somebody else, who has nothing, comes; the time of the last to finish counts from when it came'
    ]
  }
}

export const simulatedDisseminationBenchmark: Benchmark = { name: 'dissemination-simulated', what: 'a version from the origin to fleets of up to 1,000 tabs, in virtual time', run: log => Promise.resolve(run(log)) }
