/** Questions of many people at once, through the API, on eight tabs of unequal memory; beside one tab that answers one at a time. */
import { setTimeout as wait } from 'node:timers/promises'
import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import type { Benchmark, BenchmarkResult, Cell } from '../benchmark.ts'
import { ApiClients } from './api-clients.ts'
import { loadFigures, type LoadFigures } from './load-figures.ts'
import { RUN } from './served-model.ts'
import { ServingStand, type CpuSeconds } from './serving-stand.ts'

const CLIENTS = 200
const MAX_TOKENS = 32
const WARM_UP_SECONDS = 8
const SERIAL_SECONDS = 15
const LOAD_SECONDS = 45
/** Times that a tab is reloaded. */
const JOINS = 5
/** Megabytes that the tabs lend. A layer with its keys and values takes nine: room for four layers, for three, two and one. */
const TABS_MB = [200, 200, 32, 32, 22, 22, 12, 12]

interface Load {
  readonly name: string
  readonly figures: LoadFigures
  readonly errors: readonly string[]
  /** Cores kept busy; undefined where the system does not tell. */
  readonly cores: CpuSeconds | undefined
  /** From the moment when all clients went away in the middle of their answers. */
  readonly freeAfterMs: number
  /** Pipelines that broke under it: how often from which cause. */
  readonly breaks: ReadonlyMap<string, number>
}

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  const stand = await ServingStand.start(log)
  try {
    await stand.openTabs(TABS_MB.slice(0, 1))
    const joins: number[] = []
    for (let join = 0; join < JOINS; join++) joins.push(await stand.reloadLastTab())
    log(`a reloaded tab serves again after ${joins.map(ms => (ms / 1000).toFixed(2)).join(', ')} s`)
    const serial = await measure(stand, 'one tab, one request at a time', 1, SERIAL_SECONDS)
    log(summary(serial))
    const coverage = await stand.openTabs(TABS_MB.slice(1))
    log(arrangement(coverage))
    const together = await measure(stand, `eight tabs, ${CLIENTS} requests at a time`, CLIENTS, LOAD_SECONDS)
    log(summary(together))
    return {
      rows: [serial, together].map(row),
      headline: {
        throughput200VsSerial: together.figures.tokensPerSecond / serial.figures.tokensPerSecond,
        errors: serial.errors.length + together.errors.length,
        ttftP95Ms: together.figures.firstTokenMs.p95,
        fairness: together.figures.fairness,
        freeAfterDisconnectMs: together.freeAfterMs,
        joinFromWarmCacheMs: Math.max(...joins)
      },
      notes: [
        `shipped model, one WASM thread a tab, all tabs, the server and the clients on the cores named above; prompts of 7 tokens, answers of up to ${MAX_TOKENS}, each client asks again as soon as it is answered`,
        stand.isServerPreferred ? 'the server and the clients get the processor before the tabs do, as if they had machines of their own' : 'the server and the clients share the processor with the tabs: the system does not let them go first',
        `the tabs lend ${TABS_MB.join(', ')} MB: ${arrangement(coverage)}`,
        `joining is from the reload of a tab that has its chunks in storage until four layers are loaded, tested and counted on: the slowest of ${JOINS}, ${joins.map(ms => Math.round(ms)).join(', ')} ms`,
        'fairness is the Jain index over the token rates of the clients; the time until every place is free is read from the coverage, which is told a few times in a second',
        ...[...new Set([...serial.errors, ...together.errors])].slice(0, 5).map(error => `error: ${error}`)
      ]
    }
  } finally {
    await stand.close()
  }
}

async function measure(stand: ServingStand, name: string, count: number, seconds: number): Promise<Load> {
  stand.breaks.clear()
  const clients = new ApiClients(stand.url, count, { model: RUN, maxTokens: MAX_TOKENS })
  await wait(WARM_UP_SECONDS * 1000)
  const before = stand.cpu()
  const start = performance.now()
  clients.measure()
  await wait(seconds * 1000)
  const measured = (performance.now() - start) / 1000
  const after = stand.cpu()
  const figures = loadFigures(clients.times, measured)
  const leaving = clients.leave()
  const freeAfterMs = await stand.untilIdle()
  await leaving
  const busy = (part: keyof CpuSeconds): number => (after![part] - before![part]) / measured
  const cores = before === undefined || after === undefined ? undefined : { tabs: busy('tabs'), server: busy('server'), clients: busy('clients') }
  return { name, figures, errors: clients.errors, cores, freeAfterMs, breaks: new Map(stand.breaks) }
}

function row({ name, figures, errors, cores, freeAfterMs, breaks }: Load): Record<string, Cell> {
  return {
    load: name,
    'token/s': Math.round(figures.tokensPerSecond),
    answers: figures.answers,
    'first token p50, ms': Math.round(figures.firstTokenMs.p50),
    'p95, ms': Math.round(figures.firstTokenMs.p95),
    'token to token p50, ms': figures.interTokenMs.p50,
    'p95': figures.interTokenMs.p95,
    fairness: figures.fairness,
    'cores: tabs': cores?.tabs ?? '',
    server: cores?.server ?? '',
    clients: cores?.clients ?? '',
    'free after, ms': Math.round(freeAfterMs),
    'pipelines broken': [...breaks.values()].reduce((sum, count) => sum + count, 0),
    errors: errors.length
  }
}

function summary({ name, figures, errors, breaks }: Load): string {
  const broken = [...breaks].map(([cause, count]) => `, ${count} pipelines broken (${cause})`).join('')
  return `${name}: ${Math.round(figures.tokensPerSecond)} token/s, ${figures.answers} answers, ${errors.length} errors${broken}`
}

function arrangement({ pipelines, hosts }: LayerCoverage): string {
  const layersOf = (peer: string): number => {
    const layers = hosts.find(host => host.peer === peer)?.layers
    return layers ? layers.end - layers.start : 0
  }
  const placed = new Set(pipelines.flatMap(({ stages }) => stages))
  const chains = pipelines.map(({ stages }) => stages.map(layersOf).join('+'))
  return `pipelines of ${chains.join(', ')} layers, ${hosts.filter(({ peer }) => !placed.has(peer)).length} tabs standing by`
}

export const serveBenchmark: Benchmark = { name: 'serve', what: 'many people at once through the API, beside one tab that answers one at a time', run }
