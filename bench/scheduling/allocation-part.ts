/** Allocation: time for fleets of 20 to 1,000 different tabs, and quality beside trying everything and beside the greedy allocator of Parallax. */
import { createRng, type Rng } from '#shared/random/rng.ts'
import { planValue } from '#shared/scheduling/layer-plan.ts'
import type { ModelShape } from '#shared/scheduling/model-shape.ts'
import { allocateLayers } from '#shared/scheduling/pipeline-allocation.ts'
import { stageCapacity, type Device, type StageCapacity } from '#shared/scheduling/stage-capacity.ts'
import { exactPlanValue } from '#shared/testing/allocation-oracle.ts'
import { median, type BenchmarkResult, type Cell } from '../benchmark.ts'
import { greedyPlanValue } from './greedy-allocation.ts'

const SIZES = [20, 50, 100, 200, 500, 1000]
const REPEATS = 7
const SMALL_FLEETS = 400
const MOST_FOR_ORACLE = 10

const GIB = 2 ** 30

interface Setting {
  readonly model: string
  readonly shape: ModelShape
  /** Of the layers that one device can hold, without embedding and head. */
  readonly capacity: readonly [least: number, most: number]
}

const SETTINGS: readonly Setting[] = [
  // Weights in float32 and caches of 8 × 2,048 tokens; the embedding, which is also the head, weighs 8 layers.
  { model: '28 layers', shape: { layers: 28, layerBytes: 0.0742 * GIB, embeddingBytes: 0.58 * GIB, headBytes: 0.58 * GIB, embeddingAndHeadBytes: 0.58 * GIB }, capacity: [4, 20] },
  // So many layers that all capacities differ in layers too, which tabs rounded to layers never do.
  { model: '1,200 layers', shape: { layers: 1200, layerBytes: 100, embeddingBytes: 730, headBytes: 730, embeddingAndHeadBytes: 1460 }, capacity: [100, 1150] }
]

/** Of different memory; with very many layers in whole layers, so that no two hold the same number. */
function fleet(count: number, { shape, capacity: [least, most] }: Setting, rng: Rng): Device[] {
  const sizes = new Set<number>()
  while (sizes.size < count) {
    const step = most - least > 1000 ? Math.floor((most - least) * rng.float()) : (most - least) * rng.float()
    sizes.add(shape.layerBytes * (least + step))
  }
  return [...sizes].map((memoryBytes, index) => ({ peer: `tab-${index}`, memoryBytes, layersPerMs: 0.2 + 3 * rng.float() }))
}

function capacitiesOf(shape: ModelShape, devices: readonly Device[]): StageCapacity[] {
  return devices.map(({ memoryBytes }) => stageCapacity(shape, memoryBytes)).filter(({ middle }) => middle > 0)
}

function timed(count: number, setting: Setting): { readonly ms: number; readonly row: Record<string, Cell> } {
  const devices = fleet(count, setting, createRng(`allocation/${count}`))
  const times: number[] = []
  let plan = allocateLayers(setting.shape, devices)
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const start = performance.now()
    plan = allocateLayers(setting.shape, devices)
    times.push(performance.now() - start)
  }
  const ms = median(times)
  const stages = plan.pipelines.flat().length
  const greedy = greedyPlanValue(capacitiesOf(setting.shape, devices), setting.shape.layers)
  return { ms, row: { part: 'allocation', model: setting.model, devices: count, ms, pipelines: plan.pipelines.length, stages, value: planValue(plan), 'times greedy': planValue(plan) / greedy } }
}

/** Fleets with embeddings and heads from nothing to six layers' weight, in which some plan has a pipeline. */
function quality(count: number, rng: Rng): { readonly row: Record<string, Cell>; readonly worst: number } {
  const ours: number[] = []
  const greedy: number[] = []
  while (ours.length < SMALL_FLEETS) {
    const layers = 8 + rng.below(40)
    const embeddingBytes = rng.below(600)
    const headBytes = rng.below(600)
    const shape = { layers, layerBytes: 100, embeddingBytes, headBytes, embeddingAndHeadBytes: embeddingBytes + headBytes }
    const most = layers / (1 + rng.below(4))
    const devices = fleet(count, { model: '', shape, capacity: [1, Math.max(2, most)] }, rng)
    const exact = exactPlanValue(capacitiesOf(shape, devices), layers)
    if (exact === 0) continue
    ours.push(planValue(allocateLayers(shape, devices)) / exact)
    greedy.push(greedyPlanValue(capacitiesOf(shape, devices), layers) / exact)
  }
  const mean = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0) / values.length
  const worst = Math.min(...ours)
  return { worst, row: { part: 'quality', model: `${SMALL_FLEETS} random`, devices: count, 'of exact, worst': worst, 'of exact, mean': mean(ours), 'greedy, worst': Math.min(...greedy), 'greedy, mean': mean(greedy) } }
}

export function allocationPart(log: (line: string) => void): BenchmarkResult {
  const times = SETTINGS.flatMap(setting =>
    SIZES.map(count => {
      log(`allocating ${setting.model} to ${count} devices`)
      return { count, ...timed(count, setting) }
    })
  )
  const rng = createRng('allocation quality')
  const qualities = [6, 8, MOST_FOR_ORACLE].map(count => {
    log(`${SMALL_FLEETS} fleets of ${count} devices beside trying everything`)
    return quality(count, rng)
  })
  return {
    rows: [...times.map(({ row }) => row), ...qualities.map(({ row }) => row)],
    headline: {
      allocateMs200: Math.max(...times.filter(({ count }) => count === 200).map(({ ms }) => ms)),
      qualityVsOracleMin: Math.min(...qualities.map(({ worst }) => worst))
    },
    notes: [`allocation: medians of ${REPEATS} whole allocations after one uncounted, one thread; value = pipelines² / stages; allocateMs200 is the slower of the two models`]
  }
}
