/** What allocation and routing are worth: the same simulated fleets serve the same load by different choices of chains. */
import { createRng } from '#shared/random/rng.ts'
import type { ModelShape } from '#shared/scheduling/model-shape.ts'
import { randomFleet, type FleetShape } from '#shared/simulation/fleet.ts'
import { simulateServing, type ServingResult } from '#shared/simulation/serving.ts'
import { median, type BenchmarkResult, type Cell } from '../benchmark.ts'
import { murmurationChooser, petalsLikeChooser, roundRobinChooser, type Chooser } from './chain-choosers.ts'

const LAYERS = 28
/** Embedding and head free of charge, as in Petals, so that all choosers place the same model. */
const MODEL: ModelShape = { layers: LAYERS, layerBytes: 1, embeddingBytes: 0, headBytes: 0, embeddingAndHeadBytes: 0 }
const SHAPE = { promptTokens: 64, newTokens: 48, hiddenBytes: 2048 }
/** Of all four ratios: what Parallax claims over Petals (arXiv 2509.26182). */
const AIM = 3
const SEEDS = [1, 2, 3]
const DURATION_MS = 120_000

interface Setting {
  readonly name: string
  readonly fleet: FleetShape
  readonly concurrent: number
  readonly churn?: { readonly presentMs: number; readonly awayMs: number }
}

const HOME = { regions: 3, regionsApartMs: 40, regionRadiusMs: 6 } as const
/** As many devices as Parallax was measured on, at most about as far apart (round trips up to 10 ms). */
const NEAR: FleetShape = { peers: 7, regions: 1, regionsApartMs: 0, regionRadiusMs: 1.5, layersMost: [10, 20] }
const SETTINGS: readonly Setting[] = [
  { name: '7 tabs within 10 ms, 8 clients', fleet: NEAR, concurrent: 8 },
  { name: '7 tabs within 10 ms, 32 clients', fleet: NEAR, concurrent: 32 },
  { name: '40 tabs, three regions, 8 clients', fleet: { peers: 40, layersMost: [4, 20], ...HOME }, concurrent: 8 },
  { name: '40 tabs, three regions, 64 clients', fleet: { peers: 40, layersMost: [4, 20], ...HOME }, concurrent: 64 },
  { name: '40 tabs, three regions, 64 clients, churn', fleet: { peers: 40, layersMost: [4, 20], ...HOME }, concurrent: 64, churn: { presentMs: 120_000, awayMs: 20_000 } }
]
const HEADLINE_SETTING = SETTINGS[0]!.name

interface Figures {
  readonly tokensPerSecond: number
  readonly firstTokenMs: number
  readonly interTokenMs: number
  readonly endToEndMs: number
  readonly endToEndP95Ms: number
  readonly replays: number
}

function figures({ served, tokens, replays }: ServingResult): Figures {
  const of = (key: 'firstTokenMs' | 'interTokenMs' | 'endToEndMs'): number => median(served.map(request => request[key]))
  const endToEndP95Ms = served.map(request => request.endToEndMs).toSorted((a, b) => a - b)[Math.floor(0.95 * served.length)]!
  return { tokensPerSecond: (1000 * tokens) / DURATION_MS, firstTokenMs: of('firstTokenMs'), interTokenMs: of('interTokenMs'), endToEndMs: of('endToEndMs'), endToEndP95Ms, replays }
}

function simulated(setting: Setting): Record<string, Figures> {
  const runs = SEEDS.map(seed => {
    const fleet = randomFleet(setting.fleet, createRng(seed))
    const choosers: Record<string, Chooser> = {
      ours: murmurationChooser(fleet, MODEL, SHAPE),
      'round-robin': roundRobinChooser(fleet, MODEL),
      'nearest next, batched': petalsLikeChooser(fleet, LAYERS, { batching: true }),
      'Petals-like': petalsLikeChooser(fleet, LAYERS, { batching: false })
    }
    return Object.fromEntries(
      Object.entries(choosers).map(([name, chooser]) => {
        const { concurrent, churn } = setting
        return [name, figures(simulateServing({ fleet, ...chooser, concurrent, shape: SHAPE, durationMs: DURATION_MS, ...(churn && { churn }) }, createRng(`churn ${seed}`)))]
      })
    )
  })
  return Object.fromEntries(Object.keys(runs[0]!).map(name => [name, medians(runs.map(run => run[name]!))]))
}

function medians(runs: readonly Figures[]): Figures {
  const of = (key: keyof Figures): number => median(runs.map(run => run[key]))
  return { tokensPerSecond: of('tokensPerSecond'), firstTokenMs: of('firstTokenMs'), interTokenMs: of('interTokenMs'), endToEndMs: of('endToEndMs'), endToEndP95Ms: of('endToEndP95Ms'), replays: of('replays') }
}

export function servingPart(log: (line: string) => void): BenchmarkResult {
  const results = SETTINGS.map(setting => {
    log(`serving in simulation: ${setting.name}`)
    return { setting: setting.name, by: simulated(setting) }
  })
  const rows = results.flatMap(({ setting, by }) =>
    Object.entries(by).map(([chains, { tokensPerSecond, firstTokenMs, interTokenMs, endToEndMs, endToEndP95Ms, replays }]): Record<string, Cell> => ({
      part: 'serving', setting, chains, 'token/s': tokensPerSecond, 'first token ms': firstTokenMs, 'between tokens ms': interTokenMs, 'end to end ms': endToEndMs, 'p95': endToEndP95Ms, replays
    }))
  )
  const { by } = results.find(({ setting }) => setting === HEADLINE_SETTING)!
  const ours = by['ours']!
  const petals = by['Petals-like']!
  const headline = {
    throughputVsPetalsLike: ours.tokensPerSecond / petals.tokensPerSecond,
    ttftVsPetalsLike: petals.firstTokenMs / ours.firstTokenMs,
    interTokenVsPetalsLike: petals.interTokenMs / ours.interTokenMs,
    endToEndVsPetalsLike: petals.endToEndMs / ours.endToEndMs
  }
  const short = Object.entries(headline).flatMap(([key, ratio]) => (ratio < AIM ? [key] : []))
  return {
    rows,
    headline,
    notes: [
      short.length === 0 ? `serving: all four ratios reach the aim of ${AIM}` : `serving: short of the aim of ${AIM}: ${short.join(', ')}`,
      'first token, between tokens and end to end are medians of finished requests, which flatter whoever leaves some sequences waiting: see p95 of end to end and token/s',
      `serving: simulated, ${LAYERS} layers, prompts of ${SHAPE.promptTokens} and answers of ${SHAPE.newTokens} tokens, ${DURATION_MS / 1000} s of virtual time, medians over ${SEEDS.length} fleets; headline ratios are of "${HEADLINE_SETTING}"`,
      '"Petals-like" runs one sequence at a time in each tab; "nearest next, batched" is the same choice of chains with our batching, so the gap between these two rows is due to batching, not to routing',
      'Petals itself chooses chains by shortest path without load; here its successor is the nearest host. All choosers get the same replay after a loss (Petals has one of its own, the published Parallax code none), and nobody moves layers while tabs are away'
    ]
  }
}
