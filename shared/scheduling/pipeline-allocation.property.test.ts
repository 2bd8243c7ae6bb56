import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exactPlanValue } from '../testing/allocation-oracle.ts'
import { arbitraryFleet } from '../testing/fleets.ts'
import { runs } from '../testing/property-runs.ts'
import { planFaults, planMembers, planValue } from './layer-plan.ts'
import { allocateLayers } from './pipeline-allocation.ts'
import { stageCapacity, type Device } from './stage-capacity.ts'

const anyFleet = arbitraryFleet({ devices: { min: 0, max: 30 }, layers: 30, regions: [undefined, 'here', 'there'], networks: ['one', 'other'] })

function nearEverybody({ peer, memoryBytes, layersPerMs }: Device): Device {
  return { peer, memoryBytes, layersPerMs }
}

describe('for any fleet', () => {
  test('slices tile all layers of every pipeline, no memory is exceeded, and everybody is placed once', () => {
    fc.assert(
      fc.property(anyFleet, ({ shape, devices }) => {
        const plan = allocateLayers(shape, devices)
        expect(planFaults(shape, devices, plan)).toEqual([])
        expect(planMembers(plan).map(({ peer }) => peer).toSorted()).toEqual(devices.map(({ peer }) => peer).toSorted())
      }),
      runs(200)
    )
  })

  test('the order in which devices are given changes nothing', () => {
    fc.assert(
      fc.property(anyFleet.chain(fleet => fc.tuple(fc.constant(fleet), fc.shuffledSubarray([...fleet.devices], { minLength: fleet.devices.length }))), ([{ shape, devices }, shuffled]) => {
        expect(allocateLayers(shape, shuffled)).toEqual(allocateLayers(shape, devices))
      }),
      runs(100)
    )
  })

  test('no pipeline reaches across networks', () => {
    fc.assert(
      fc.property(anyFleet, ({ shape, devices }) => {
        const networkOf = new Map(devices.map(({ peer, network }) => [peer, network]))
        for (const pipeline of allocateLayers(shape, devices).pipelines) expect(new Set(pipeline.map(({ peer }) => networkOf.get(peer))).size).toBe(1)
      }),
      runs(100)
    )
  })

  test('up to ten devices are allocated as well as by trying everything', () => {
    fc.assert(
      fc.property(arbitraryFleet({ devices: { min: 1, max: 10 }, layers: 30 }), ({ shape, devices }) => {
        const exact = exactPlanValue(devices.map(({ memoryBytes }) => stageCapacity(shape, memoryBytes)).filter(({ middle }) => middle > 0), shape.layers)
        expect(planValue(allocateLayers(shape, devices))).toBeCloseTo(exact, 12)
      }),
      runs(150)
    )
  })

  test('regions cost no pipeline', () => {
    fc.assert(
      fc.property(arbitraryFleet({ devices: { min: 0, max: 24 }, layers: 20, regions: [undefined, 'a', 'b', 'c'] }), ({ shape, devices }) => {
        const withoutRegions = allocateLayers(shape, devices.map(nearEverybody))
        expect(allocateLayers(shape, devices).pipelines.length).toBeGreaterThanOrEqual(withoutRegions.pipelines.length)
      }),
      runs(150)
    )
  })

  test('regions that make no pipeline worse off than alone keep all of theirs', () => {
    fc.assert(
      fc.property(arbitraryFleet({ devices: { min: 1, max: 9 }, layers: 12 }), fc.integer({ min: 2, max: 3 }), ({ shape, devices }, copies) => {
        const regions = Array.from({ length: copies }, (_, region) => devices.map(device => ({ ...device, peer: `${device.peer}-${region}`, region: `region-${region}` })))
        const everywhere = allocateLayers(shape, regions.flat().map(nearEverybody)).pipelines.length
        const inside = regions.map(region => allocateLayers(shape, region).pipelines.length).reduce((total, count) => total + count, 0)
        fc.pre(everywhere > 0 && inside >= everywhere)
        const regionOf = new Map(regions.flat().map(({ peer, region }) => [peer, region]))
        const crossing = allocateLayers(shape, regions.flat()).pipelines.filter(pipeline => new Set(pipeline.map(({ peer }) => regionOf.get(peer))).size > 1)
        expect(crossing).toEqual([])
      }),
      runs(60)
    )
  })
})
