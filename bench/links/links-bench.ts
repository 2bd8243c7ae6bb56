/** How fast and how evenly a tab fills an emulated uplink, and what hidden states suffer beside it: our chunk exchange, simple-peer's stream, WebTorrent. */
import { loadavg } from 'node:os'
import type { Benchmark, BenchmarkResult, Cell } from '../benchmark.ts'
import type { ContestantName } from '../pages/links.ts'
import { bulkFigures, quantile, type BulkFigures } from './bulk-figures.ts'
import { LinkStand, type LinkCondition, type PingedBulk } from './link-stand.ts'

interface Setting {
  readonly name: string
  readonly contestant: ContestantName
  readonly condition: LinkCondition
  readonly bytes: number
}

const MEBIBYTE = 1024 * 1024
/** The link that targets are set on. */
const HOME: LinkCondition = { mbit: 20, roundTripMs: 40, lossPercent: 0, queueBytes: 256_000 }
const BULK_BYTES = 30 * MEBIBYTE

const SETTINGS: readonly Setting[] = [
  { name: '20 Mb/s, 40 ms', contestant: 'ours', condition: HOME, bytes: BULK_BYTES },
  { name: '20 Mb/s, 40 ms', contestant: 'simple-peer', condition: HOME, bytes: BULK_BYTES },
  { name: '20 Mb/s, 40 ms', contestant: 'webtorrent', condition: HOME, bytes: BULK_BYTES },
  { name: '5 Mb/s, 40 ms', contestant: 'ours', condition: { ...HOME, mbit: 5 }, bytes: 8 * MEBIBYTE },
  { name: '100 Mb/s, 40 ms', contestant: 'ours', condition: { ...HOME, mbit: 100 }, bytes: 64 * MEBIBYTE },
  { name: '20 Mb/s, 100 ms', contestant: 'ours', condition: { ...HOME, roundTripMs: 100 }, bytes: BULK_BYTES },
  { name: '20 Mb/s, 40 ms, 0.5 % loss', contestant: 'ours', condition: { ...HOME, lossPercent: 0.5 }, bytes: 8 * MEBIBYTE },
  { name: '20 Mb/s, 40 ms, queue of 64 kB', contestant: 'ours', condition: { ...HOME, queueBytes: 64_000 }, bytes: BULK_BYTES }
]

interface Measured {
  readonly setting: Setting
  readonly alone: BulkFigures
  readonly pinged: PingedBulk
  readonly row: Record<string, Cell>
}

async function measure(stand: LinkStand, setting: Setting, log: (line: string) => void): Promise<Measured> {
  const { name, contestant, condition, bytes } = setting
  const bulk = await stand.bulk(contestant, condition, bytes)
  const alone = bulkFigures(bulk.samples)
  log(`${name}, ${contestant}: ${alone.perSecondMbit.map(rate => rate.toFixed(1)).join(' ')} Mb/s${bulk.whole ? '' : ', not whole'}`)
  const pinged = await stand.bulkWithHiddenStates(contestant, condition, bytes)
  log(`${name}, ${contestant}: hidden states p95 ${quantile(pinged.idle, 0.95).toFixed(0)} ms idle, ${quantile(pinged.busy, 0.95).toFixed(0)} ms under bulk`)
  const row = {
    link: name,
    contestant,
    MiB: bulk.whole ? bytes / MEBIBYTE : `${(bulk.samples.at(-1)!.bytes / MEBIBYTE).toFixed(1)} of ${bytes / MEBIBYTE}`,
    seconds: alone.seconds,
    'Mb/s': alone.averageMbit,
    'worst second from 2, Mb/s': alone.worstMbit,
    stalls: alone.stalls,
    'packets dropped': bulk.drops,
    'hidden states idle p50, ms': quantile(pinged.idle, 0.5),
    'idle p95': quantile(pinged.idle, 0.95),
    'under bulk p50': quantile(pinged.busy, 0.5),
    'under bulk p95': quantile(pinged.busy, 0.95),
    'Mb/s beside them': bulkFigures(pinged.samples).averageMbit
  }
  return { setting, alone, pinged, row }
}

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  const stand = await LinkStand.start()
  try {
    const measured: Measured[] = []
    for (const setting of SETTINGS) measured.push(await measure(stand, setting, log))
    const ours = measured.find(({ setting }) => setting.contestant === 'ours' && setting.condition === HOME)!
    return {
      rows: measured.map(({ row }) => row),
      headline: {
        utilisation20Mbit40ms: ours.alone.worstMbit / HOME.mbit,
        hiddenStateP95AddedMs: quantile(ours.pinged.busy, 0.95) - quantile(ours.pinged.idle, 0.95),
        stalls20Mbit40ms: ours.alone.stalls
      },
      notes: [
        `load average of the last fifteen minutes at the end: ${loadavg()[2]!.toFixed(1)}. Two Chromiums and the emulator need about two cores for themselves: where others need them too, the figures are those of a slower machine`,
        'two headless Chromiums in namespaces of their own behind emulated uplinks of the named rate with a drop-tail queue of 256 kB; the round trip is without queues. The emulator, both browsers and the driver share the cores named above',
        'Mb/s is payload, so the headers of IP, UDP, DTLS and SCTP keep it below about 92 % of the link; utilisation20Mbit40ms is the least payload of a whole second from second 2 on ÷ 20 Mb/s. Stalls: seconds with less than a tenth of the median second',
        'the bulk is measured alone, and once more beside hidden states: 4 KiB from the sender every 100 ms, sent back by the receiver; an answer counts as 5 s at most. In all three they have a data channel of their own, with WebTorrent a connection of their own',
        'ours: chunks of 1 MiB from an IndexedDB store to another through ChunkExchange, verified; simple-peer: write() of 16 KiB until it returns false; WebTorrent: one file, its own tracker, from the first wire on'
      ]
    }
  } finally {
    await stand.close()
  }
}

export const linksBenchmark: Benchmark = { name: 'links', what: 'a bulk and hidden states between two Chromiums over emulated links', run }
