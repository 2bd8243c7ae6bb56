import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { createSparing, pipelinesInUse, sparingDeadline, weighSparing, type PipelineSparing } from './pipeline-sparing.ts'

const STEP_MS = 100

/** A swarm whose pipelines in use share the requests equally, and give so many tokens a second together. */
class Swarm {
  readonly sparing: PipelineSparing = createSparing()
  now = 0
  requests: number
  ids: number[]
  readonly #tokensPerSecond: (used: readonly number[], requests: number) => number
  /** Requests that were asked of a pipeline before it was spared. */
  readonly #left = new Map<number, number>()

  constructor(ids: number[], requests: number, tokensPerSecond: (used: readonly number[], requests: number) => number) {
    this.ids = ids
    this.requests = requests
    this.#tokensPerSecond = tokensPerSecond
  }

  get used(): number[] {
    return pipelinesInUse(this.sparing, this.ids.map(id => ({ id }))).map(({ id }) => id)
  }

  /** @returns the pipelines in use after every step, each set once for as long as it stays */
  run(seconds: number, change: () => void = () => undefined): string[] {
    const seen: string[] = []
    for (const end = this.now + 1000 * seconds; this.now < end; this.now += STEP_MS) {
      change()
      const { used } = this
      for (const id of this.ids) this.#left.set(id, used.includes(id) ? this.requests / used.length : Math.max(0, (this.#left.get(id) ?? 0) - 5))
      this.sparing.tokens += (this.#tokensPerSecond(used, this.requests) * STEP_MS) / 1000
      weighSparing(this.sparing, this.ids.map(id => ({ id, stages: id > 2 ? 2 : 1, tokenMs: () => -id, serves: Math.floor(this.#left.get(id)!) })), this.requests, this.now)
      if (seen.at(-1) !== this.used.join()) seen.push(this.used.join())
    }
    return seen
  }
}

/** Tabs of one machine with two cores: pipelines of two tabs, 3 and 4, cost twice as much for a token. */
const sharedMachine = (used: readonly number[]): number => (1000 * Math.min(2, used.length)) / (used.reduce((sum, id) => sum + (id > 2 ? 2 : 1), 0) / used.length)
/** Tabs of machines of their own. */
const ownMachines = (used: readonly number[]): number => 500 * used.length

describe('sparing', () => {
  test('pipelines that cost the others more than they bring are out of use within half a minute', () => {
    const swarm = new Swarm([1, 2, 3, 4], 60, sharedMachine)
    swarm.run(30)
    expect(swarm.used).toEqual([1, 2])
  })

  test('what only helps is in use but for one short trial each', () => {
    const swarm = new Swarm([1, 2, 3, 4], 60, ownMachines)
    const seen = swarm.run(55)
    expect(swarm.used).toEqual([1, 2, 3, 4])
    expect(seen.filter(used => used.split(',').length === 3).toSorted()).toEqual(['1,2,3', '1,2,4', '1,3,4', '2,3,4'])
    expect(seen.filter(used => used.split(',').length < 3)).toEqual([])
  })

  test('trials that change nothing become rare', () => {
    const swarm = new Swarm([1, 2, 3, 4], 60, ownMachines)
    const early = swarm.run(600).length
    const late = swarm.run(600).length
    expect(early).toBeGreaterThan(8)
    expect(late).toBeLessThanOrEqual(early / 2)
  })

  test('one that was spared comes back when it helps', () => {
    let machines = sharedMachine
    const swarm = new Swarm([1, 2, 3, 4], 60, used => machines(used))
    swarm.run(30)
    expect(swarm.used).toEqual([1, 2])
    machines = ownMachines
    swarm.run(300)
    expect(swarm.used).toEqual([1, 2, 3, 4])
  })

  test('a trial during which pipelines or the load change proves nothing, and leaves nothing behind', () => {
    const swarm = new Swarm([1, 2, 3, 4], 60, ownMachines)
    swarm.run(60, () => {
      if (swarm.now % 3_000 === 0) swarm.ids = swarm.now % 6_000 === 0 ? [1, 2, 3, 4] : [1, 2, 3, 4, 5]
    })
    expect(swarm.used.slice(0, 4)).toEqual([1, 2, 3, 4])
    const growing = new Swarm([1, 2, 3, 4], 60, sharedMachine)
    growing.run(30, () => {
      if (growing.now % 2_000 === 0) growing.requests *= 1.5
    })
    expect([...growing.sparing.spared].filter(id => id !== growing.sparing.trial?.pipeline)).toEqual([])
  })

  test('nothing is tried while there is too little to do', () => {
    const swarm = new Swarm([1, 2, 3, 4], 1, () => 10)
    expect(swarm.run(120)).toEqual(['1,2,3,4'])
    const idle = new Swarm([1, 2, 3, 4], 0, () => 0)
    idle.run(10)
    expect(idle.sparing.trial).toBeUndefined()
    expect(sparingDeadline(idle.sparing)).toBe(Infinity)
  })

  test('whatever happens: one is left in use, at most one is being tried, and a trial ends', () => {
    const event = fc.record({ ids: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 6 }), requests: fc.nat(50), tokens: fc.nat(2_000), serves: fc.nat(5), after: fc.integer({ min: 0, max: 5_000 }) })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200, size: 'max' }), events => {
        const sparing = createSparing()
        let now = 0
        let since = 0
        let trial = sparing.trial
        for (const { ids, requests, tokens, serves, after } of events) {
          now = Math.min(now + after, Math.max(now, sparingDeadline(sparing)))
          sparing.tokens += tokens
          weighSparing(sparing, ids.map(id => ({ id, stages: id > 2 ? 2 : 1, tokenMs: () => -id, serves })), requests, now)
          expect(pipelinesInUse(sparing, ids.map(id => ({ id }))).length > 0).toBe(ids.length > 0)
          for (const id of sparing.spared) expect(ids).toContain(id)
          if (sparing.trial !== trial) since = now
          trial = sparing.trial
          expect(trial === undefined || ids.includes(trial.pipeline)).toBe(true)
          expect(trial === undefined || now - since <= 60_000).toBe(true)
        }
      }),
      runs(200)
    )
  })
})
