import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRng } from '../random/rng.ts'
import { planFaults } from '../scheduling/layer-plan.ts'
import type { SliceUse } from '../scheduling/model-shape.ts'
import { modelShape } from '../scheduling/model-shape.ts'
import { runs } from '../testing/property-runs.ts'
import { expectedAnswer, ServingTestbed, type AfterStep, type Ailment, type TabAbilities } from '../testing/serving-testbed.ts'
import { tinyConfig } from '../testing/tiny-model.ts'
import { commonVersions, isOpen } from './pipelines.ts'
import { presentDevices } from './slice-hosts.ts'

const MODEL = tinyConfig({ layers: 6 })
const USE: SliceUse = { rows: 4, contextTokens: 32 }
const SHAPE = modelShape(MODEL, USE)
const WHOLE = SHAPE.embeddingAndHeadBytes + SHAPE.layers * SHAPE.layerBytes
const TABS = 6

type Action =
  | { readonly do: 'join' | 'leave' | 'reload'; readonly who: number }
  | { readonly do: 'ail'; readonly who: number; readonly ailment: Ailment }
  | { readonly do: 'ask'; readonly maxTokens: number; readonly stopsAfter: number; readonly version: number }
  | { readonly do: 'close'; readonly pick: number }
  | { readonly do: 'break_link'; readonly who: number; readonly other: number }
  | { readonly do: 'version'; readonly who: number; readonly version: number; readonly kind: 'version_held' | 'version_dropped' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'restart' }

const who = fc.nat(TABS - 1)
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('join' as const, 'join' as const, 'leave' as const, 'reload' as const), who }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('ail' as const), who, ailment: fc.constantFrom<Ailment>('none', 'none', 'frozen', 'stuck', 'idle') }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('ask' as const), maxTokens: fc.integer({ min: 1, max: 40 }), stopsAfter: fc.integer({ min: 1, max: 60 }), version: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('close' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break_link' as const), who, other: who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('version' as const), who, version: fc.nat(1), kind: fc.constantFrom('version_held' as const, 'version_dropped' as const) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 300, max: 4000 })) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) }
)
const abilities: fc.Arbitrary<TabAbilities> = fc.record({
  memoryBytes: fc.integer({ min: Math.floor(WHOLE / 6), max: Math.ceil(1.1 * WHOLE) }),
  rows: fc.integer({ min: 1, max: 4 }),
  loadMs: fc.integer({ min: 10, max: 1500 }),
  versions: fc.constantFrom([0], [0, 1], [0, 1], [0, 1])
})
const scene = fc.record({ tabs: fc.array(abilities, { minLength: TABS, maxLength: TABS }), story: fc.array(action, { maxLength: 60, size: 'max' }), seed: fc.nat(), jitterMs: fc.constantFrom(0, 20, 200) })
type Scene = typeof scene extends fc.Arbitrary<infer Value> ? Value : never

function played({ tabs, story, seed, jitterMs }: Scene, afterStep?: AfterStep): ServingTestbed {
  const bed = new ServingTestbed([MODEL, USE], tabs, createRng(seed), jitterMs, afterStep)
  // Half of the fleet is there from the beginning, so that most stories have something to lose.
  for (let who = 0; who < TABS / 2; who++) bed.join(who)
  bed.wait(2000)
  for (const [index, action] of story.entries()) {
    switch (action.do) {
      case 'join':
        bed.join(action.who)
        break
      case 'leave':
      case 'reload':
        bed.leave(action.who, action.do === 'leave')
        break
      case 'ail':
        bed.ail(action.who, action.ailment)
        break
      case 'ask':
        bed.ask({ key: `request-${index}`, maxTokens: action.maxTokens, stopsAfter: action.stopsAfter, version: action.version })
        break
      case 'close':
        bed.close([...bed.answers.keys()][action.pick % bed.answers.size] ?? '')
        break
      case 'break_link':
        bed.breakLink(action.who, action.other)
        break
      case 'version':
        bed.holdVersion(action.who, action.version, action.kind)
        break
      case 'wait':
        bed.wait(action.ms)
        break
      case 'restart':
        bed.restart()
    }
    bed.wait(50)
  }
  return bed
}

describe('for any story of joining, leaving, freezing, hanging, lost links and requests', () => {
  test('every request ends: with exactly the right tokens in order, given up, or refused with a reason; nothing waits for ever', () => {
    let finished = 0
    fc.assert(
      fc.property(scene, scene => {
        const bed = played(scene)
        bed.wait(400_000)
        expect(bed.state.sequences.size).toBe(0)
        for (const { ask, tokens, ends, refusal } of bed.answers.values()) {
          const expected = expectedAnswer(ask)
          expect(ends).toHaveLength(1)
          expect(tokens).toEqual(expected.tokens.slice(0, ends[0] === 'finished' ? undefined : tokens.length))
          if (ends[0] === 'finished') finished++
          expect((refusal?.missing ?? []).length > 0).toBe(refusal?.code === 'layers_missing' || refusal?.code === 'stale_version')
        }
      }),
      runs(60)
    )
    expect(finished).toBeGreaterThan(50)
  })

  test('slices tile all layers of every pipeline, no memory is exceeded, no two pipelines share a peer, and nobody serves who is gone or late', () => {
    fc.assert(
      fc.property(scene, scene => {
        played(scene, ({ state }) => {
          const devices = presentDevices(state)
          const pipelines = [...state.pipelines.values()]
          expect(planFaults(state.model.shape, devices, state.plan)).toEqual([])
          expect(planFaults(state.model.shape, devices, { pipelines: pipelines.map(({ stages }) => stages), standbys: [] })).toEqual([])
          for (const pipeline of pipelines) {
            expect(pipeline.sequences.size).toBeLessThanOrEqual(pipeline.rows)
            expect(isOpen(pipeline) || pipeline.sequences.size === 0).toBe(true)
            for (const key of pipeline.sequences) expect(state.sequences.get(key)?.pipeline).toBe(pipeline.id)
            for (const { peer, slice } of pipeline.stages) expect(state.hosts.get(peer)!.ready!.layers).toEqual({ start: slice.start, end: slice.end })
          }
          const served = pipelines.reduce((sum, { sequences }) => sum + sequences.size, 0)
          expect([...state.sequences.values()].filter(({ pipeline }) => pipeline !== undefined)).toHaveLength(served)
        })
      }),
      runs(40)
    )
  })

  test('nobody is told anything who is not here, and sequences are asked only of the first stage of an open pipeline that has their version', () => {
    fc.assert(
      fc.property(scene, scene => {
        played(scene, ({ state }, _, effects) => {
          const tells = effects.filter(effect => effect.kind === 'tell')
          expect(tells.filter(({ peer }) => !state.hosts.has(peer))).toEqual([])
          expect(tells.filter(({ event, peer }) => event === 'place_assigned' && state.hosts.get(peer)!.liveness.late !== undefined)).toEqual([])
          for (const { peer, event, payload } of tells) {
            if (event !== 'sequences_requested') continue
            const pipeline = state.pipelines.get(payload.pipeline)!
            expect(pipeline.stages[0]!.peer).toBe(peer)
            for (const { version } of payload.requests) expect(commonVersions(state, pipeline)).toContain(version)
          }
        })
      }),
      runs(40)
    )
  })

  test('who joins disturbs no pipeline, and who leaves only its own', () => {
    fc.assert(
      fc.property(scene, scene => {
        let places = new Map<number, readonly string[]>()
        played(scene, ({ state }, input, _, before) => {
          for (const id of before) {
            if (state.pipelines.has(id) || (input.kind !== 'peer_joined' && input.kind !== 'peer_left')) continue
            expect(input.kind).toBe('peer_left')
            expect(places.get(id)).toContain(input.peer)
          }
          places = new Map([...state.pipelines].map(([id, { stages }]) => [id, stages.map(({ peer }) => peer)]))
        })
      }),
      runs(40)
    )
  })

  test('once everybody is well again, the model is served if it fits into the tabs', () => {
    fc.assert(
      fc.property(scene, scene => {
        const bed = played(scene)
        for (let who = 0; who < TABS; who++) {
          bed.ail(who, 'none')
          bed.join(who)
          bed.holdVersion(who, 0, 'version_held')
        }
        bed.wait(120_000)
        bed.ask({ key: 'last', maxTokens: 5, stopsAfter: 9, version: 0 })
        bed.wait(60_000)
        const { ends, tokens } = bed.answers.get('last')!
        expect(ends).toEqual([bed.state.plan.pipelines.length > 0 ? 'finished' : 'refused'])
        expect(tokens).toHaveLength(ends[0] === 'finished' ? 5 : 0)
      }),
      runs(40)
    )
  })
})
