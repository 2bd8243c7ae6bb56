/** How long a version takes to the last of many peers behind home uplinks: our mesh beside a star from the origin, WebTorrent and the least possible time. */
import { cpus } from 'node:os'
import { leastPossibleMs } from '#shared/simulation/dissemination.ts'
import type { Benchmark, BenchmarkResult, Cell } from '../benchmark.ts'
import { median } from '../benchmark.ts'
import { VERSION_BYTES } from './published-version.ts'
import type { PeerKind } from './swarm-peers.ts'
import { SwarmStand, type Arrivals, type NetworkCondition } from './swarm-stand.ts'

const ORIGIN_MBIT = 40
const UPLINK_MBIT = 20
const ROUND_TRIP_MS = 40
/** Evenly, from five to fifty. */
const MIXED_MBIT = Array.from({ length: 16 }, (_, peer) => 5 + 3 * peer)
const MBIT_TO_BYTES_PER_MS = 125
/** Of the rates that are asked for: sixteen peers on two cores keep up with links that are so slow, and what is measured is the mesh. */
const SLOW = 1 / 8

const FULL_RATE = { share: 1, name: '' }
const EIGHTH = { share: SLOW, name: ', an eighth of every rate' }
type Rate = typeof FULL_RATE

const home = (count: number, { share }: Rate, lossPercent = 0): NetworkCondition => ({ originMbit: ORIGIN_MBIT * share, uplinksMbit: Array.from({ length: count }, () => UPLINK_MBIT * share), roundTripMs: ROUND_TRIP_MS, lossPercent })
/** All of the network slowed down alike: as many bytes are on their way as at the rates that are asked for. */
const slowMotion = (count: number): NetworkCondition => ({ ...home(count, EIGHTH), roundTripMs: ROUND_TRIP_MS / SLOW })
const mixed = (rate: Rate): NetworkCondition => ({ ...home(16, rate), uplinksMbit: MIXED_MBIT.map(mbit => mbit * rate.share) })

interface Spread {
  readonly links: string
  readonly way: string
  readonly condition: NetworkCondition
  readonly seconds: readonly number[]
  readonly originCopies: number | undefined
  /** Of this machine's processors, how many did something. */
  readonly coresBusy: number
}

function leastPossibleSeconds({ originMbit, uplinksMbit }: NetworkCondition): number {
  const node = (mbit: number) => ({ upBytesPerMs: mbit * MBIT_TO_BYTES_PER_MS, downBytesPerMs: Number.POSITIVE_INFINITY, oneWayMs: 0 })
  return leastPossibleMs(uplinksMbit.map(node), node(originMbit), VERSION_BYTES) / 1000
}

const ratio = ({ seconds, condition }: Spread): number => median(seconds) / leastPossibleSeconds(condition)

/** From the first peer that heard of it to the last that had it. */
function secondsOf(arrivals: Arrivals): number {
  const here = arrivals.filter(arrival => arrival !== undefined)
  return (Math.max(...here.map(({ doneAt }) => doneAt)) - Math.min(...here.map(({ heardAt }) => heardAt))) / 1000
}

function originCopiesOf(arrivals: Arrivals): number {
  return arrivals.reduce((sum, arrival) => sum + (arrival?.bytesFromOrigin ?? 0), 0) / VERSION_BYTES
}

function rowOf(spread: Spread): Record<string, Cell> {
  const { links, way, condition, seconds, originCopies, coresBusy } = spread
  return {
    peers: condition.uplinksMbit.length,
    links,
    way,
    'seconds to the last': median(seconds),
    'of all runs': seconds.map(each => each.toFixed(1)).join(' '),
    'least possible, s': leastPossibleSeconds(condition),
    ratio: ratio(spread),
    'copies from the origin': originCopies ?? '',
    'cores busy': coresBusy
  }
}

/** Milliseconds that processors have had nothing to do, ever. */
const idleMs = (): number => cpus().reduce((sum, { times }) => sum + times.idle, 0)

async function measured<Result>(act: () => Promise<Result>): Promise<{ readonly result: Result; readonly coresBusy: number }> {
  const [before, start] = [idleMs(), performance.now()]
  const result = await act()
  return { result, coresBusy: cpus().length - (idleMs() - before) / (performance.now() - start) }
}

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  const spreads: Spread[] = []
  const add = (spread: Spread): Spread => {
    spreads.push(spread)
    log(`${spread.condition.uplinksMbit.length} peers, ${spread.links}, ${spread.way}: ${spread.seconds.map(each => each.toFixed(1)).join(', ')} s, at least ${leastPossibleSeconds(spread.condition).toFixed(1)} s${spread.originCopies === undefined ? '' : `, ${spread.originCopies.toFixed(2)} copies from the origin`}, ${spread.coresBusy.toFixed(2)} cores`)
    return spread
  }
  const stand = await SwarmStand.start()
  const spread = async (links: string, way: string, condition: NetworkCondition, repeats: number, killAfterMs?: number): Promise<Spread> => {
    const { result, coresBusy } = await measured(async () => {
      const runs: Arrivals[] = []
      for (let run = 0; run < repeats; run++) runs.push(await stand.spread(condition, killAfterMs))
      return runs
    })
    return add({ links, way, condition, seconds: result.map(secondsOf), originCopies: median(result.map(originCopiesOf)), coresBusy })
  }
  const mesh = (kind: PeerKind, links: string, condition: NetworkCondition, repeats: number, killAfterMs?: number): Promise<Spread> =>
    spread(links, kind === 'tab' ? 'mesh of tabs' : 'mesh', condition, repeats, killAfterMs)
  const star = async (rate: Rate, count: number): Promise<void> => {
    await stand.openPeers('process', count, false)
    await spread(`20 Mb/s${rate.name}`, 'star from the origin', home(count, rate), 1)
    await stand.closePeers()
  }
  const torrent = async (links: string, condition: NetworkCondition): Promise<Spread> => {
    const { result, coresBusy } = await measured(() => stand.spreadTorrent('process', VERSION_BYTES, condition))
    return add({ links, way: 'WebTorrent', condition, seconds: [secondsOf(result)], originCopies: undefined, coresBusy })
  }
  try {
    await stand.openPeers('tab', 4, true)
    await mesh('tab', '20 Mb/s', home(4, FULL_RATE), 2)
    await stand.closePeers()
    for (const count of [4, 8]) {
      await stand.openPeers('process', count, true)
      await mesh('process', '20 Mb/s', home(count, FULL_RATE), 2)
    }
    await stand.openPeers('process', 16, true)
    const ours = await mesh('process', '20 Mb/s', home(16, FULL_RATE), 2)
    const oursMixed = await mesh('process', '5–50 Mb/s', mixed(FULL_RATE), 2)
    const oursSlow = await mesh('process', `20 Mb/s${EIGHTH.name}`, home(16, EIGHTH), 2)
    const oursMixedSlow = await mesh('process', `5–50 Mb/s${EIGHTH.name}`, mixed(EIGHTH), 2)
    const oursSlowMotion = await mesh('process', `20 Mb/s${EIGHTH.name}, eight times the round trip`, slowMotion(16), 2)
    await mesh('process', `20 Mb/s, 0.5 % loss${EIGHTH.name}`, home(16, EIGHTH, 0.5), 1)
    await mesh('process', `20 Mb/s, one peer killed half-way${EIGHTH.name}`, home(16, EIGHTH), 1, (leastPossibleSeconds(home(16, EIGHTH)) * 1000) / 2)
    await stand.closePeers()
    for (const count of [4, 8, 16]) await star(FULL_RATE, count)
    const theirs = await torrent('20 Mb/s', home(16, FULL_RATE))
    await torrent('5–50 Mb/s', mixed(FULL_RATE))
    const theirsSlow = await torrent(`20 Mb/s${EIGHTH.name}`, home(16, EIGHTH))
    await torrent(`5–50 Mb/s${EIGHTH.name}`, mixed(EIGHTH))
    return {
      rows: spreads.map(rowOf),
      headline: {
        vsMinimumN16: ratio(ours),
        vsMinimumMixedN16: ratio(oursMixed),
        vsWebTorrentN16: median(ours.seconds) / median(theirs.seconds),
        originCopiesN16: ours.originCopies!,
        vsMinimumN16AtAnEighth: ratio(oursSlow),
        vsMinimumMixedN16AtAnEighth: ratio(oursMixedSlow),
        vsMinimumN16InSlowMotion: ratio(oursSlowMotion),
        vsWebTorrentN16AtAnEighth: median(oursSlow.seconds) / median(theirsSlow.seconds),
        originCopiesN16AtAnEighth: oursSlow.originCopies!
      },
      notes: [
        `a version of ${(VERSION_BYTES / 1e6).toFixed(1)} MB, an origin of ${ORIGIN_MBIT} Mb/s, round trips of ${ROUND_TRIP_MS} ms, downlinks without limit, drop-tail queues of 256 kB`,
        'all peers, the server and the emulator share the cores named above. Where all of them are busy the processor is the limit and not the links; an eighth of every rate, the origin\'s too, leaves the ratio to the least possible time as it is and asks an eighth of the processor; with eight times the round trip, too, everything but the timers of the protocols is as at full rates, eight times slower',
        'peers are processes of Node with the product\'s socket, links, chunk exchange and store, but libdatachannel for Chromium\'s WebRTC and memory for IndexedDB; tabs are headless Chromium with the network worker. Linked before the version is published; from the first announcement that a peer hears to the last chunk that a peer has verified and stored',
        'WebTorrent in Node, over libdatachannel too: rarest first, its own tracker, a seed behind the origin\'s uplink; from the first connection of a peer to the last byte of the last',
        'least possible: Kumar and Ross 2006, max of F/u_s, F/d_min and N·F/(u_s + Σu_i), payload without headers'
      ]
    }
  } finally {
    await stand.close()
  }
}

export const disseminationBenchmark: Benchmark = { name: 'dissemination', what: 'a version from the origin to 4, 8 and 16 peers over emulated home links', run }
