import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exactFewestMoved } from '../testing/allocation-oracle.ts'
import { arbitraryFleet, type Fleet } from '../testing/fleets.ts'
import { runs } from '../testing/property-runs.ts'
import { hostCounts, missingCoverage } from './layer-coverage.ts'
import { EMPTY_PLAN, planFaults, planMembers, planValue, type LayerPlan, type Standby } from './layer-plan.ts'
import { join, leave, reallocate, type PlanChange } from './membership-changes.ts'
import { stageCapacity, type Device } from './stage-capacity.ts'

interface Step {
  readonly event: 'join' | 'leave'
  readonly peer: string
  readonly devices: readonly Device[]
  readonly before: LayerPlan
  readonly change: PlanChange
}

/** Every number makes one device join or leave, whichever it can. */
function played({ shape, devices }: Fleet, story: readonly number[]): Step[] {
  const steps: Step[] = []
  let present: readonly Device[] = []
  let plan = EMPTY_PLAN
  for (const number of story) {
    const device = devices[number % devices.length]!
    const before = plan
    const event = present.includes(device) ? 'leave' : 'join'
    present = event === 'leave' ? present.filter(other => other !== device) : [...present, device]
    const change = (event === 'leave' ? leave : join)(shape, present, before, device.peer)
    steps.push({ event, peer: device.peer, devices: present, before, change })
    plan = change.plan
  }
  return steps
}

function holders({ shape }: Fleet, devices: readonly Device[], standbys: readonly Standby[]) {
  return standbys.map(({ peer, slice }) => {
    const device = devices.find(device => device.peer === peer)!
    return { device, capacity: stageCapacity(shape, device.memoryBytes), held: slice }
  })
}

const story = fc.array(fc.nat(1000), { maxLength: 16, size: 'max' })
const smallFleet = arbitraryFleet({ devices: { min: 1, max: 6 }, layers: 6 })
const fleet = arbitraryFleet({ devices: { min: 1, max: 12 }, layers: 16, regions: [undefined, 'here'], networks: ['one', 'other'] })

describe('for any story of joining and leaving', () => {
  test('slices tile all layers of every pipeline, no memory is exceeded, and everybody present is placed once', () => {
    fc.assert(
      fc.property(fleet, story, (fleet, story) => {
        for (const { devices, change } of played(fleet, story)) {
          expect(planFaults(fleet.shape, devices, change.plan)).toEqual([])
          expect(planMembers(change.plan).map(({ peer }) => peer).toSorted()).toEqual(devices.map(({ peer }) => peer).toSorted())
        }
      }),
      runs(100)
    )
  })

  test('nobody is to serve a layer that it neither held nor is told to load, and what is moved is counted', () => {
    fc.assert(
      fc.property(fleet, story, (fleet, story) => {
        const held = new Map<string, Set<number | string>>()
        for (const { event, peer, change } of played(fleet, story)) {
          if (event === 'leave') held.delete(peer)
          let loaded = 0
          for (const { peer, layers, embed, head } of change.diff.loads) {
            const has = held.get(peer) ?? new Set()
            held.set(peer, has)
            for (const { start, end } of layers) for (let layer = start; layer < end; layer++) if (!has.has(layer)) loaded += has.add(layer) === has ? 1 : 0
            if (embed) has.add('embed')
            if (head) has.add('head')
          }
          for (const { peer, layers, embed, head } of change.diff.drops) {
            for (const { start, end } of layers) for (let layer = start; layer < end; layer++) held.get(peer)!.delete(layer)
            if (embed) held.get(peer)!.delete('embed')
            if (head) held.get(peer)!.delete('head')
          }
          expect(change.diff.movedLayers).toBe(loaded)
          for (const { peer, slice } of planMembers(change.plan)) {
            const layers = slice === undefined ? [] : Array.from({ length: slice.end - slice.start }, (_, index) => slice.start + index)
            const expected = [...layers, ...(slice?.embed === true ? ['embed'] : []), ...(slice?.head === true ? ['head'] : [])]
            expect([...(held.get(peer) ?? [])].map(String).toSorted()).toEqual(expected.map(String).toSorted())
          }
        }
      }),
      runs(100)
    )
  })

  test('pipelines that are whole stay as they are', () => {
    fc.assert(
      fc.property(fleet, story, (fleet, story) => {
        for (const { peer, before, change } of played(fleet, story)) {
          const whole = before.pipelines.filter(pipeline => !pipeline.some(stage => stage.peer === peer))
          expect(change.plan.pipelines).toEqual(expect.arrayContaining(whole))
        }
      }),
      runs(60)
    )
  })

  test('a leave is mended whenever the others can, and moves the fewest layers', () => {
    fc.assert(
      fc.property(smallFleet, story, (fleet, story) => {
        for (const { event, peer, devices, before, change } of played(fleet, story)) {
          const broken = before.pipelines.find(pipeline => pipeline.some(stage => stage.peer === peer))
          if (event === 'join' || broken === undefined) continue
          const spare = [...broken, ...before.standbys].filter(standby => standby.peer !== peer)
          const fewest = exactFewestMoved(holders(fleet, devices, spare), fleet.shape.layers)
          expect(change.plan.pipelines.length).toBe(before.pipelines.length - (fewest === Infinity ? 1 : 0))
          expect(change.diff.movedLayers).toBe(fewest === Infinity ? 0 : fewest)
        }
      }),
      runs(120)
    )
  })

  test('a join makes a pipeline whenever it can with those that stand by, and moves the fewest layers', () => {
    fc.assert(
      fc.property(smallFleet, story, (fleet, story) => {
        for (const { event, peer, devices, before, change } of played(fleet, story)) {
          if (event === 'leave') continue
          const spare = [...before.standbys, { peer, slice: undefined }]
          const fewest = exactFewestMoved(holders(fleet, devices, spare), fleet.shape.layers)
          expect(change.plan.pipelines.length).toBe(before.pipelines.length + (fewest === Infinity ? 0 : 1))
          expect(fewest === Infinity || change.diff.movedLayers === fewest).toBe(true)
        }
      }),
      runs(120)
    )
  })

  test('without a pipeline some layer is missing, and what is missing nobody within reach holds', () => {
    fc.assert(
      fc.property(fleet, story, (fleet, story) => {
        for (const { devices, change } of played(fleet, story)) {
          const missing = missingCoverage(fleet.shape, devices, change.plan)
          expect(missing.length > 0).toBe(change.plan.pipelines.length === 0)
          if (new Set(devices.map(({ network }) => network)).size > 1) continue
          const counts = hostCounts(fleet.shape.layers, change.plan)
          for (const { layers, reason } of missing) {
            expect(counts.slice(layers.start, layers.end).every(count => count === 0)).toBe(true)
            expect(reason).not.toBe('no_link')
          }
        }
      }),
      runs(100)
    )
  })

  test('a fresh allocation is offered only when it is worth more', () => {
    fc.assert(
      fc.property(fleet, story, (fleet, story) => {
        for (const { devices, change } of played(fleet, story).slice(-1)) {
          const offer = reallocate(fleet.shape, devices, change.plan)
          expect(offer === undefined || planValue(offer.plan) > planValue(change.plan)).toBe(true)
        }
      }),
      runs(60)
    )
  })
})
