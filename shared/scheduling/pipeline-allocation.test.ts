import { describe, expect, test } from 'vitest'
import { createRng } from '../random/rng.ts'
import { planFaults, planValue } from './layer-plan.ts'
import type { ModelShape } from './model-shape.ts'
import { allocateManually } from './manual-allocation.ts'
import { allocateLayers } from './pipeline-allocation.ts'
import type { Device } from './stage-capacity.ts'

/** A layer weighs 1, so that memory is counted in layers. */
function model(layers: number, embedding = 0, head = 0): ModelShape {
  return { layers, layerBytes: 1, embeddingBytes: embedding, headBytes: head, embeddingAndHeadBytes: embedding + head }
}

function fleet(...layers: readonly number[]): Device[] {
  return layers.map((memoryBytes, index) => ({ peer: `peer-${index}`, memoryBytes, layersPerMs: 1 }))
}

function stagesOf(shape: ModelShape, devices: readonly Device[]): string[][] {
  return allocateLayers(shape, devices).pipelines.map(pipeline => pipeline.map(({ peer, slice }) => `${peer} ${slice.start}-${slice.end}`))
}

describe('the cases of the Parallax repository', () => {
  test('six equal devices make two pipelines of three', () => {
    const { pipelines } = allocateLayers(model(36), fleet(13, 13, 13, 13, 13, 13))
    expect(pipelines.map(pipeline => pipeline.map(({ slice }) => slice.end - slice.start))).toEqual([[12, 12, 12], [12, 12, 12]])
  })

  test.each([
    { layers: 22, capacities: [13, 13, 6, 6, 3, 3], pipelines: 2, stages: 6 },
    { layers: 70, capacities: [40, 40, 20, 20, 10, 10], pipelines: 2, stages: 6 },
    { layers: 14, capacities: [13, 5, 5, 3, 3], pipelines: 1, stages: 2 },
    { layers: 7, capacities: [6, 4, 4, 3, 3], pipelines: 2, stages: 4 }
  ])('$layers layers over $capacities: $pipelines pipelines, $stages stages', ({ layers, capacities, pipelines, stages }) => {
    expect(planValue(allocateLayers(model(layers), fleet(...capacities)))).toBe(pipelines ** 2 / stages)
  })
})

test('of two hundred different devices as many pipelines are made as their memory allows', () => {
  const rng = createRng('two hundred')
  const memory = Array.from({ length: 200 }, () => 4 + 5 * rng.float())
  // Every pipeline loses at least three layers to the embedding and three to the head.
  const bound = Math.floor(memory.reduce((total, layers) => total + Math.floor(layers), 0) / (28 + 3 + 3))
  expect(allocateLayers(model(28, 3.5, 3.5), fleet(...memory)).pipelines).toHaveLength(bound)
})

test('who can hold the whole model serves it alone, and the others make what they can', () => {
  expect(stagesOf(model(6, 1, 1), fleet(4, 9, 4))).toEqual([['peer-1 0-6'], ['peer-0 0-3', 'peer-2 3-6']])
})

test('embedding and head count where they sit', () => {
  const alone = fleet(5, 5)
  expect(allocateLayers(model(8, 1, 1), alone).pipelines).toHaveLength(1)
  expect(allocateLayers(model(8, 2, 1), alone).pipelines).toHaveLength(0)
  expect(allocateLayers(model(8, 6, 0), fleet(5, 5, 5)).pipelines).toHaveLength(0)
})

test('the faster of two equally large devices is used, and takes more layers', () => {
  const devices = [{ peer: 'slow', memoryBytes: 6, layersPerMs: 1 }, { peer: 'fast', memoryBytes: 6, layersPerMs: 3 }, { peer: 'middling', memoryBytes: 6, layersPerMs: 2 }]
  const [pipeline] = allocateLayers(model(10), devices).pipelines
  expect(new Map(pipeline!.map(({ peer, slice }) => [peer, slice.end - slice.start]))).toEqual(new Map([['fast', 6], ['middling', 4]]))
})

test('a standby takes over layers of whole stages, the lightest ones first', () => {
  const devices = [...fleet(5, 5), { peer: 'small', memoryBytes: 4, layersPerMs: 1 }]
  const { pipelines, standbys } = allocateLayers(model(8), devices)
  expect(pipelines[0]!.map(({ slice }) => [slice.start, slice.end])).toEqual([[0, 4], [4, 8]])
  expect(standbys).toEqual([{ peer: 'small', slice: { start: 0, end: 4, embed: true, head: false } }])
})

test('regions keep their pipelines; across them only the rest comes together', () => {
  const devices = fleet(4, 4, 4, 4, 4, 4).map((device, index) => ({ ...device, region: index % 2 === 0 ? 'a' : 'b' }))
  const regionOf = new Map(devices.map(({ peer, region }) => [peer, region]))
  const { pipelines } = allocateLayers(model(8), devices)
  const regions = pipelines.map(pipeline => [...new Set(pipeline.map(({ peer }) => regionOf.get(peer)!))].toSorted().join(''))
  expect(regions).toEqual(['a', 'b', 'ab'])
})

describe('by hand', () => {
  const shape = model(6, 1, 1)
  const devices = fleet(4, 4, 4)

  test('slices that fit are honoured, and who is not named stands by', () => {
    const result = allocateManually(shape, devices, [[{ peer: 'peer-2', start: 0, end: 3 }, { peer: 'peer-0', start: 3, end: 6 }]])
    if (!('plan' in result)) throw new Error('refused')
    expect(result.plan.pipelines[0]!.map(({ peer }) => peer)).toEqual(['peer-2', 'peer-0'])
    expect(result.plan.standbys.map(({ peer }) => peer)).toEqual(['peer-1'])
    expect(planFaults(shape, devices, result.plan)).toEqual([])
  })

  test('everything that is wrong is named', () => {
    expect(allocateManually(shape, devices, [[{ peer: 'peer-0', start: 0, end: 4 }, { peer: 'peer-1', start: 4, end: 6 }]])).toEqual({ faults: [{ code: 'no_memory', peer: 'peer-0' }] })
    expect(allocateManually(shape, devices, [[{ peer: 'peer-0', start: 0, end: 3 }, { peer: 'peer-0', start: 3, end: 6 }]])).toEqual({ faults: [{ code: 'peer_twice', peer: 'peer-0' }] })
    expect(allocateManually(shape, devices, [[{ peer: 'peer-0', start: 0, end: 2 }, { peer: 'peer-1', start: 3, end: 6 }]])).toEqual({ faults: [{ code: 'layers_not_tiled', peer: 'peer-1' }] })
    expect(allocateManually(shape, devices, [[{ peer: 'stranger', start: 0, end: 3 }, { peer: 'peer-1', start: 3, end: 5 }]])).toEqual({
      faults: [{ code: 'unknown_peer', peer: 'stranger' }, { code: 'layers_not_tiled', peer: 'peer-1' }]
    })
    expect(allocateManually(shape, devices, [[]])).toEqual({ faults: [{ code: 'layers_not_tiled', peer: undefined }] })
  })
})
