/** How long a version takes to the last of many tabs behind home uplinks: our mesh beside a star from the origin, WebTorrent and the least possible time. */
import { loadavg } from 'node:os'
import { leastPossibleMs } from '#shared/simulation/dissemination.ts'
import type { Benchmark, BenchmarkResult, Cell } from '../benchmark.ts'
import { median } from '../benchmark.ts'
import { VERSION_BYTES } from './published-version.ts'
import { SwarmStand, type Arrivals, type NetworkCondition } from './swarm-stand.ts'

const ORIGIN_MBIT = 40
const UPLINK_MBIT = 20
const ROUND_TRIP_MS = 40
/** Evenly, from five to fifty. */
const MIXED_MBIT = Array.from({ length: 16 }, (_, tab) => 5 + 3 * tab)
const REPEATS = 3
const MBIT_TO_BYTES_PER_MS = 125

const home = (count: number, lossPercent = 0): NetworkCondition => ({ originMbit: ORIGIN_MBIT, uplinksMbit: Array.from({ length: count }, () => UPLINK_MBIT), roundTripMs: ROUND_TRIP_MS, lossPercent })
const mixed: NetworkCondition = { ...home(16), uplinksMbit: MIXED_MBIT }

interface Spread {
  readonly uplinks: string
  readonly way: string
  readonly condition: NetworkCondition
  readonly seconds: readonly number[]
  readonly originCopies: number | undefined
}

function leastPossibleSeconds({ originMbit, uplinksMbit }: NetworkCondition): number {
  const node = (mbit: number) => ({ upBytesPerMs: mbit * MBIT_TO_BYTES_PER_MS, downBytesPerMs: Number.POSITIVE_INFINITY, oneWayMs: 0 })
  return leastPossibleMs(uplinksMbit.map(node), node(originMbit), VERSION_BYTES) / 1000
}

/** From the first tab that heard of it to the last that had it. */
function secondsOf(arrivals: Arrivals): number {
  const here = arrivals.filter(arrival => arrival !== undefined)
  return (Math.max(...here.map(({ doneAt }) => doneAt)) - Math.min(...here.map(({ heardAt }) => heardAt))) / 1000
}

function originCopiesOf(arrivals: Arrivals): number {
  return arrivals.reduce((sum, arrival) => sum + (arrival?.bytesFromOrigin ?? 0), 0) / VERSION_BYTES
}

function rowOf({ uplinks, way, condition, seconds, originCopies }: Spread): Record<string, Cell> {
  const least = leastPossibleSeconds(condition)
  return {
    tabs: condition.uplinksMbit.length,
    uplinks,
    way,
    'seconds to the last': median(seconds),
    'of all runs': seconds.map(each => each.toFixed(1)).join(' '),
    'least possible, s': least,
    ratio: median(seconds) / least,
    'copies from the origin': originCopies ?? ''
  }
}

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  const spreads: Spread[] = []
  const add = (spread: Spread): Spread => {
    spreads.push(spread)
    log(`${spread.condition.uplinksMbit.length} tabs, ${spread.uplinks}, ${spread.way}: ${spread.seconds.map(each => each.toFixed(1)).join(', ')} s, at least ${leastPossibleSeconds(spread.condition).toFixed(1)} s${spread.originCopies === undefined ? '' : `, ${spread.originCopies.toFixed(2)} copies from the origin`}`)
    return spread
  }
  const stand = await SwarmStand.start()
  try {
    const mesh = async (uplinks: string, condition: NetworkCondition, repeats: number, killAfterMs?: number): Promise<Spread> => {
      const runs: Arrivals[] = []
      for (let run = 0; run < repeats; run++) runs.push(await stand.spread(condition, killAfterMs))
      return add({ uplinks, way: 'mesh', condition, seconds: runs.map(secondsOf), originCopies: median(runs.map(originCopiesOf)) })
    }
    for (const count of [4, 8]) {
      await stand.openTabs(count, true)
      await mesh('20 Mb/s', home(count), REPEATS)
    }
    await stand.openTabs(16, true)
    const ours = await mesh('20 Mb/s', home(16), REPEATS)
    const oursMixed = await mesh('5–50 Mb/s', mixed, REPEATS)
    await mesh('20 Mb/s, 0.5 % loss', home(16, 0.5), 1)
    await mesh('20 Mb/s, one tab killed half-way', home(16), 1, (leastPossibleSeconds(home(16)) * 1000) / 2)
    await stand.closeTabs()
    for (const count of [4, 8, 16]) {
      await stand.openTabs(count, false)
      const arrivals = await stand.spread(home(count))
      add({ uplinks: '20 Mb/s', way: 'star from the origin', condition: home(count), seconds: [secondsOf(arrivals)], originCopies: originCopiesOf(arrivals) })
    }
    await stand.closeTabs()
    const torrent = async (uplinks: string, condition: NetworkCondition): Promise<Spread> => add({ uplinks, way: 'WebTorrent', condition, seconds: [secondsOf(await stand.spreadTorrent(VERSION_BYTES, condition))], originCopies: undefined })
    for (const count of [4, 8]) await torrent('20 Mb/s', home(count))
    const theirs = await torrent('20 Mb/s', home(16))
    await torrent('5–50 Mb/s', mixed)
    const ratio = ({ seconds, condition }: Spread): number => median(seconds) / leastPossibleSeconds(condition)
    return {
      rows: spreads.map(rowOf),
      headline: {
        vsMinimumN16: ratio(ours),
        vsMinimumMixedN16: ratio(oursMixed),
        vsWebTorrentN16: median(ours.seconds) / median(theirs.seconds),
        originCopiesN16: ours.originCopies!
      },
      notes: [
        `load average of the last fifteen minutes at the end: ${loadavg()[2]!.toFixed(1)}; all Chromiums, the server and the emulator share the cores named above: where they are the limit and not the links, ours and WebTorrent are slower than they would be`,
        `a version of ${(VERSION_BYTES / 1e6).toFixed(1)} MB, an origin of ${ORIGIN_MBIT} Mb/s, round trips of ${ROUND_TRIP_MS} ms, downlinks without limit, drop-tail queues of 256 kB; real headless Chromium, one for each tab`,
        'mesh: the product\'s server, socket, network worker and IndexedDB without an engine, linked before the version is published; from the first announcement that a tab hears to the last chunk that a tab has verified and stored',
        'WebTorrent: rarest first, its own tracker, a seed in Chromium behind the origin\'s uplink; from the first connection of a tab to the last byte of the last tab',
        'least possible: Kumar and Ross 2006, max of F/u_s, F/d_min and N·F/(u_s + Σu_i), payload without headers'
      ]
    }
  } finally {
    await stand.close()
  }
}

export const disseminationBenchmark: Benchmark = { name: 'dissemination', what: 'a version from the origin to 4, 8 and 16 tabs over emulated home links', run }
