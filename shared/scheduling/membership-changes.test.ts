import { expect, test } from 'vitest'
import { missingCoverage } from './layer-coverage.ts'
import { EMPTY_PLAN, type LayerPlan, type Standby } from './layer-plan.ts'
import { stageSlice } from './layer-range.ts'
import { join, leave } from './membership-changes.ts'
import type { ModelShape } from './model-shape.ts'
import type { Device } from './stage-capacity.ts'

const LAYERS = 8
const shape: ModelShape = { layers: LAYERS, layerBytes: 1, embeddingBytes: 1, headBytes: 1, embeddingAndHeadBytes: 2 }

function device(peer: string, memoryBytes: number, network?: string): Device {
  return { peer, memoryBytes, layersPerMs: 1, ...(network !== undefined && { network }) }
}

function held(peer: string, start: number, end: number): { peer: string; slice: ReturnType<typeof stageSlice> } {
  return { peer, slice: stageSlice(LAYERS, start, end) }
}

function planOf(pipeline: LayerPlan['pipelines'][number], ...standbys: Standby[]): LayerPlan {
  return { pipelines: [pipeline], standbys }
}

test('neighbours with room extend their slices over a hole', () => {
  const plan = planOf([held('a', 0, 3), held('b', 3, 5), held('c', 5, 8)])
  const change = leave(shape, [device('a', 5), device('c', 5)], plan, 'b')
  expect(change.plan).toEqual(planOf([held('a', 0, 4), held('c', 4, 8)]))
  expect(change.diff).toEqual({
    loads: [{ peer: 'a', layers: [{ start: 3, end: 4 }], embed: false, head: false }, { peer: 'c', layers: [{ start: 4, end: 5 }], embed: false, head: false }],
    drops: [],
    movedLayers: 2
  })
})

test('a standby that holds the slice takes it at no cost, rather than a neighbour with room', () => {
  const plan = planOf([held('a', 0, 4), held('b', 4, 8)], { peer: 's', slice: stageSlice(LAYERS, 4, 8) })
  const change = leave(shape, [device('a', 99), device('s', 5)], plan, 'b')
  expect(change.plan).toEqual(planOf([held('a', 0, 4), held('s', 4, 8)]))
  expect(change.diff.movedLayers).toBe(0)
})

test('the next first stage loads the embedding', () => {
  const plan = planOf([held('a', 0, 2), held('b', 2, 8)])
  expect(leave(shape, [device('b', 10)], plan, 'a').diff.loads).toEqual([{ peer: 'b', layers: [{ start: 0, end: 2 }], embed: true, head: false }])
})

test('without a local change the pipeline is given up, and its stages stand by with what they hold', () => {
  const plan = planOf([held('a', 0, 4), held('b', 4, 8)])
  const devices = [device('a', 5)]
  const change = leave(shape, devices, plan, 'b')
  expect(change.plan).toEqual({ pipelines: [], standbys: [held('a', 0, 4)] })
  expect(missingCoverage(shape, devices, change.plan)).toEqual([{ layers: { start: 4, end: 8 }, reason: 'absent_peer' }])
})

test('who joins a model with a hole loads the hole and nothing else', () => {
  const plan = { pipelines: [], standbys: [held('a', 0, 4), held('c', 6, 8)] }
  const change = join(shape, [device('a', 5), device('c', 3), device('d', 8)], plan, 'd')
  expect(change.plan).toEqual({ pipelines: [[held('a', 0, 4), held('d', 4, 6), held('c', 6, 8)]], standbys: [] })
  expect(change.diff.movedLayers).toBe(2)
})

test('the first to join begin with the first layers that nobody holds', () => {
  const first = join(shape, [device('a', 4)], EMPTY_PLAN, 'a')
  const second = join(shape, [device('a', 4), device('b', 3)], first.plan, 'b')
  expect(second.plan.standbys).toEqual([held('a', 0, 3), held('b', 3, 6)])
})

test('a peer without room for any missing layer is told apart from an absent one', () => {
  const devices = [device('a', 5), device('tiny', 0)]
  const { plan } = join(shape, devices, { pipelines: [], standbys: [held('a', 0, 4)] }, 'tiny')
  expect(missingCoverage(shape, devices, plan)).toEqual([{ layers: { start: 4, end: 8 }, reason: 'no_memory' }])
})

test('peers that could hold the model together but do not reach each other lack a link', () => {
  const devices = [device('a', 6, 'home'), device('b', 5, 'office')]
  const first = join(shape, devices.slice(0, 1), EMPTY_PLAN, 'a')
  const { plan } = join(shape, devices, first.plan, 'b')
  expect(plan.pipelines).toEqual([])
  expect(missingCoverage(shape, devices, plan)).toEqual([{ layers: { start: 5, end: 8 }, reason: 'no_link' }])
})

test('with nobody here everything is missing', () => {
  expect(missingCoverage(shape, [], EMPTY_PLAN)).toEqual([{ layers: { start: 0, end: LAYERS }, reason: 'absent_peer' }])
})
