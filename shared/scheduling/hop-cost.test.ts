import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { routeChain, type SliceHost } from './chain-routing.ts'
import { hopCost } from './hop-cost.ts'
import { createLinkMap } from './link-map.ts'
import { loadOf, occupyChain, releaseChain, type ChainStage, type StageLoads } from './stage-load.ts'

const profile = { decode: { fixedMs: 2, perRowMs: 0.5 }, prefill: { fixedMs: 4, perRowMs: 0.1 }, uplinkBytesPerSecond: 500_000 }
const idle = { rows: 0, rowLayers: 0 }

describe('cost per generated token', () => {
  test('a layer costs one row of decode and its share of the prompt; hidden states of both are sent', () => {
    expect(hopCost(profile, idle, { promptTokens: 0, newTokens: 10, hiddenBytes: 1000 })).toEqual({ layerMs: 2.5, queueMs: 0, sendMs: 2 })
    const cost = hopCost(profile, idle, { promptTokens: 20, newTokens: 10, hiddenBytes: 1000 })
    expect(cost.layerMs).toBeCloseTo(2.5 + (4 + 0.1 * 20) / 10)
    expect(cost.sendMs).toBeCloseTo(2 * 3)
    expect(hopCost({ ...profile, uplinkBytesPerSecond: null }, idle, { promptTokens: 20, newTokens: 10, hiddenBytes: 1000 }).sendMs).toBe(0)
  })

  test('rows in flight are waited for: half the fixed cost of a step, and the own cost of each', () => {
    expect(hopCost(profile, { rows: 3, rowLayers: 12 }, { promptTokens: 0, newTokens: 1, hiddenBytes: 0 }).queueMs).toBeCloseTo((2 * 4) / 2 + 0.5 * 12)
  })
})

test('load is what went in and has not come out; nothing comes out twice', () => {
  const loads: StageLoads = new Map()
  const chain: ChainStage[] = [{ peer: 'a', layers: { start: 0, end: 3 } }, { peer: 'b', layers: { start: 3, end: 8 } }]
  occupyChain(loads, chain, 2)
  occupyChain(loads, [{ peer: 'a', layers: { start: 0, end: 8 } }])
  expect(loadOf(loads, 'a')).toEqual({ rows: 3, rowLayers: 14 })
  releaseChain(loads, chain, 2)
  expect([...loads]).toEqual([['a', { rows: 1, rowLayers: 8 }]])
  expect(() => releaseChain(loads, chain)).toThrow(RangeError)
})

/** Peers that all host the whole model, and the sequences that are routed to them by load. */
function sharedWork(initialSpeeds: readonly number[]) {
  let speeds = initialSpeeds
  const loads: StageLoads = new Map()
  const running: (readonly ChainStage[])[] = []
  const arrive = (): void => {
    const hosts = speeds.map((speed, index): SliceHost => {
      const measured = { decode: { fixedMs: 0, perRowMs: 1 / speed }, prefill: { fixedMs: 0, perRowMs: 1 / speed }, uplinkBytesPerSecond: null }
      const peer = `p${index}`
      return { peer, slice: { start: 0, end: 4, embed: true, head: true }, versions: [0], ready: true, freeRows: 99, cost: hopCost(measured, loadOf(loads, peer), { promptTokens: 0, newTokens: 8, hiddenBytes: 0 }) }
    })
    const route = routeChain({ layers: 4, version: 0 }, hosts, createLinkMap())
    if (route.kind !== 'chain') throw new Error('every peer hosts everything')
    occupyChain(loads, route.stages)
    running.push(route.stages)
  }
  return {
    arrive,
    finishOldest: () => releaseChain(loads, running.shift()!),
    become: (changed: readonly number[]) => {
      speeds = changed
    },
    rows: () => speeds.map((_, index) => loadOf(loads, `p${index}`).rows)
  }
}

const speeds = fc.array(fc.double({ min: 0.5, max: 8, noNaN: true }), { minLength: 2, maxLength: 5 })

test('shares follow speeds: nobody gets less than its part of the total speed, rounded down', () => {
  fc.assert(
    fc.property(speeds, speeds => {
      const work = sharedWork(speeds)
      for (let arrival = 0; arrival < 40; arrival++) work.arrive()
      const total = speeds.reduce((sum, speed) => sum + speed)
      work.rows().forEach((rows, index) => expect(rows).toBeGreaterThanOrEqual(Math.floor((40 * speeds[index]!) / total - 1e-9)))
    }),
    runs(60)
  )
})

test('a peer that slows to a quarter gets less, down to its new share within two sequences', () => {
  fc.assert(
    fc.property(speeds, speeds => {
      const work = sharedWork(speeds)
      for (let arrival = 0; arrival < 40; arrival++) work.arrive()
      const slowed = speeds.map((speed, index) => (index === 0 ? speed / 4 : speed))
      work.become(slowed)
      for (let arrival = 0; arrival < 80; arrival++) {
        work.finishOldest()
        work.arrive()
      }
      const total = slowed.reduce((sum, speed) => sum + speed)
      expect(work.rows()[0]!).toBeLessThanOrEqual((40 * slowed[0]!) / total + 2)
    }),
    runs(40)
  )
})
