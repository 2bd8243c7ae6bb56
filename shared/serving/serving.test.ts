import { describe, expect, test } from 'vitest'
import { createRng } from '../random/rng.ts'
import { modelShape } from '../scheduling/model-shape.ts'
import { expectedAnswer, profileOf, ServingTestbed, type Ask, type TabAbilities } from '../testing/serving-testbed.ts'
import { tinyConfig } from '../testing/tiny-model.ts'
import { PREFILL_TOKENS } from '../pipeline/pipeline-driver.ts'
import { coverageOf } from './coverage.ts'
import { workDeadlineMs } from './liveness.ts'
import type { ServingEffect } from './serving-state.ts'

const MODEL = tinyConfig({ layers: 6 })
const USE = { rows: 4, contextTokens: 32 }
const SHAPE = modelShape(MODEL, USE)
/** Room for two layers, wherever they are. */
const THIRD = 2 * SHAPE.layerBytes + Math.max(SHAPE.embeddingBytes, SHAPE.headBytes)
const WHOLE = 6 * SHAPE.layerBytes + SHAPE.embeddingAndHeadBytes

function tab(change: Partial<TabAbilities> = {}): TabAbilities {
  return { memoryBytes: THIRD, rows: 4, loadMs: 500, versions: [0], ...change }
}

function bedOf(tabs: readonly TabAbilities[], present = tabs.length): ServingTestbed {
  const bed = new ServingTestbed([MODEL, USE], tabs, createRng(1), 5)
  for (let who = 0; who < present; who++) bed.join(who)
  bed.wait(2_000)
  return bed
}

function ask(bed: ServingTestbed, key: string, change: Partial<Ask> = {}): void {
  bed.ask({ key, maxTokens: 200, stopsAfter: 100, version: 0, ...change })
}

function finished(bed: ServingTestbed, key: string): boolean {
  const { ask, tokens, ends } = bed.answers.get(key)!
  expect(tokens).toEqual(expectedAnswer(ask).tokens.slice(0, tokens.length))
  return ends[0] === 'finished' && tokens.length === expectedAnswer(ask).tokens.length
}

/** Indices of the tabs, by pipeline. */
function openPipelines(bed: ServingTestbed): number[][] {
  return coverageOf(bed.state, bed.now)
    .pipelines.filter(({ open }) => open)
    .map(({ stages }) => stages.map(peer => bed.tabs.findIndex(tab => tab.peer === peer)))
}

function tells(effects: readonly ServingEffect[]): string[] {
  return effects.flatMap(effect => (effect.kind === 'tell' ? [effect.event] : []))
}

describe('opening', () => {
  test('three tabs that hold a third each make one pipeline, balanced, and their neighbours are linked', () => {
    const bed = bedOf([tab(), tab(), tab()])
    expect(openPipelines(bed)).toHaveLength(1)
    expect(bed.tabs.map(({ loaded }) => loaded!.end - loaded!.start)).toEqual([2, 2, 2])
    expect(bed.told.flatMap(({ effects }) => effects.filter(({ kind }) => kind === 'link'))).toHaveLength(3)
    ask(bed, 'a')
    bed.wait(6_000)
    expect(finished(bed, 'a')).toBe(true)
  })

  test('a tab with room for everything is a pipeline of its own, without neighbours', () => {
    const bed = bedOf([tab({ memoryBytes: WHOLE })])
    const [place] = bed.told.flatMap(({ effects }) => effects.flatMap(effect => (effect.kind === 'tell' && effect.event === 'place_assigned' ? [effect.payload] : [])))
    expect(place).toMatchObject({ stage: 0, stages: 1, previous: null, next: null })
    ask(bed, 'a')
    bed.wait(6_000)
    expect(finished(bed, 'a')).toBe(true)
  })

  test('the first stage hears what a step costs each stage, again when that has changed, and not for trifles', () => {
    const bed = bedOf([tab(), tab(), tab()])
    const costsTold = (): number[][] =>
      bed.told.flatMap(({ effects }) => effects.flatMap(effect => (effect.kind === 'tell' && effect.event === 'pipeline_open' ? [effect.payload.ring.stages.map(({ cost }) => cost.fixedMs)] : [])))
    const second = bed.tabs[openPipelines(bed)[0]![1]!]!
    const measures = (fixedMs: number): unknown => bed.input({ kind: 'profile', peer: second.peer, message: profileOf(second, fixedMs) })
    expect(costsTold()).toEqual([[2, 2, 2]])
    measures(2.2)
    expect(costsTold()).toHaveLength(1)
    measures(8)
    expect(costsTold()).toEqual([[2, 2, 2], [2, 8, 2]])
  })

  test('a version is asked of a pipeline only once all of its stages hold it', () => {
    const bed = bedOf([tab(), tab(), tab()])
    ask(bed, 'a', { version: 1 })
    bed.holdVersion(0, 1, 'version_held')
    bed.holdVersion(1, 1, 'version_held')
    bed.wait(2_000)
    expect(bed.answers.get('a')!.tokens).toEqual([])
    bed.holdVersion(2, 1, 'version_held')
    bed.wait(6_000)
    expect(finished(bed, 'a')).toBe(true)
  })
})

describe('a stage of three', () => {
  for (const stage of [0, 1, 2]) {
    const spared = (): { bed: ServingTestbed; lost: number } => {
      const bed = bedOf([tab(), tab(), tab(), tab()])
      ask(bed, 'a')
      ask(bed, 'b')
      bed.wait(1_000)
      expect(bed.answers.get('a')!.tokens.length).toBeGreaterThan(0)
      return { bed, lost: openPipelines(bed)[0]![stage]! }
    }

    test(`${stage} leaves: a standby takes its layers, and the same tokens go on`, () => {
      const { bed, lost } = spared()
      bed.leave(lost)
      bed.wait(10_000)
      expect([finished(bed, 'a'), finished(bed, 'b')]).toEqual([true, true])
      const [report] = coverageOf(bed.state, bed.now).breaks
      expect(report).toMatchObject({ peer: bed.tabs[lost]!.peer, cause: 'left', sequences: 2 })
      expect(report!.recoveredAfterMs).toBeGreaterThan(0)
    })

    test(`${stage} freezes: it is replaced after one and a half seconds, and joins again later`, () => {
      const { bed, lost } = spared()
      bed.ail(lost, 'frozen')
      bed.wait(10_000)
      expect([finished(bed, 'a'), finished(bed, 'b')]).toEqual([true, true])
      const coverage = coverageOf(bed.state, bed.now)
      expect(coverage.breaks[0]).toMatchObject({ peer: bed.tabs[lost]!.peer, cause: 'silent' })
      expect(coverage.breaks[0]!.detectedAfterMs).toBeLessThanOrEqual(2_000)
      expect(coverage.hosts.find(({ peer }) => peer === bed.tabs[lost]!.peer)!.state).toBe('late')
      bed.ail(lost, 'none')
      bed.wait(3_000)
      expect(coverageOf(bed.state, bed.now).hosts.map(({ state }) => state)).toEqual(['ready', 'ready', 'ready', 'ready'])
    })

    test(`${stage} hangs in a work: it is replaced within two seconds`, () => {
      const { bed, lost } = spared()
      bed.ail(lost, 'stuck')
      bed.wait(10_000)
      expect([finished(bed, 'a'), finished(bed, 'b')]).toEqual([true, true])
      const [report] = coverageOf(bed.state, bed.now).breaks
      expect(report).toMatchObject({ peer: bed.tabs[lost]!.peer, cause: 'slow' })
      expect(report!.detectedAfterMs).toBeLessThanOrEqual(2_000)
    })
  }

  test('what was interrupted goes at once to another pipeline that is open', () => {
    const bed = bedOf([tab(), tab(), tab(), tab({ memoryBytes: WHOLE })])
    expect(openPipelines(bed)).toHaveLength(2)
    for (const key of ['a', 'b', 'c', 'd']) ask(bed, key)
    bed.wait(500)
    const [first] = openPipelines(bed).find(stages => stages.length === 3)!
    bed.leave(first!)
    expect(bed.state.breaks[0]!.report.recoveredAfterMs).toBe(bed.state.breaks[0]!.report.sequences === 0 ? null : 0)
    bed.wait(15_000)
    expect(['a', 'b', 'c', 'd'].map(key => finished(bed, key))).toEqual([true, true, true, true])
  })

  test('what its first stage says of a pipeline that broke counts no more', () => {
    const bed = bedOf([tab(), tab(), tab()])
    ask(bed, 'a')
    bed.wait(500)
    const [first, , last] = openPipelines(bed)[0]!
    const pipeline = [...bed.state.pipelines.keys()][0]!
    bed.leave(last!)
    const effects = bed.input({ kind: 'sequences_generated', peer: bed.tabs[first!]!.peer, message: { pipeline, sequences: [{ key: 'a', tokens: [999], logProbs: [-1], finish: 'stop' }] } })
    expect(effects.filter(({ kind }) => kind === 'sequence_event')).toEqual([])
  })
})

test('a first stage has no say about what another pipeline serves', () => {
  const bed = bedOf([tab({ memoryBytes: WHOLE }), tab({ memoryBytes: WHOLE })])
  ask(bed, 'a')
  const serving = bed.state.sequences.get('a')!.pipeline
  const other = [...bed.state.pipelines.values()].find(({ id }) => id !== serving)!
  const effects = bed.input({ kind: 'sequences_generated', peer: other.stages[0]!.peer, message: { pipeline: other.id, sequences: [{ key: 'a', tokens: [999], logProbs: [-1], finish: 'stop' }] } })
  expect(effects.filter(({ kind }) => kind === 'sequence_event')).toEqual([])
})

test('a server that was restarted finds the pipeline as it was: nobody loads anything', () => {
  const bed = bedOf([tab(), tab(), tab()])
  const before = bed.tabs.map(({ loaded }) => loaded)
  bed.restart()
  bed.wait(2_000)
  expect(openPipelines(bed)).toHaveLength(1)
  expect(bed.tabs.map(({ loaded }) => loaded)).toEqual(before)
})

test('a work may be a prefill of many prompts, also where one prompt is shorter than that', () => {
  const { state, tabs } = bedOf([tab({ memoryBytes: WHOLE })])
  const host = state.hosts.get(tabs[0]!.peer)!
  host.profile = { ...host.profile!, prefill: { fixedMs: 0, perRowMs: 1 } }
  expect(PREFILL_TOKENS).toBeGreaterThan(USE.contextTokens)
  expect(workDeadlineMs(state, host)).toBeGreaterThan(MODEL.layers * PREFILL_TOKENS)
})

describe('of two pipelines, of which one is slower', () => {
  /** Milliseconds of one sequence's step in each. */
  function bedOfSpeeds(...stepMs: readonly [number, number]): ServingTestbed {
    const bed = bedOf([tab({ memoryBytes: WHOLE }), tab({ memoryBytes: WHOLE })])
    for (const [who, ms] of stepMs.entries()) {
      const cost = { fixedMs: ms / SHAPE.layers, perRowMs: 0 }
      bed.input({ kind: 'profile', peer: bed.tabs[who]!.peer, message: { engine: 'wasm', decode: cost, prefill: cost, memoryBytes: WHOLE, largestTensorBytes: WHOLE, uplinkBytesPerSecond: null, roundTrips: [] } })
    }
    return bed
  }
  const rowsOf = (bed: ServingTestbed): number[] => coverageOf(bed.state, bed.now).hosts.map(({ rows }) => rows)
  const askMany = (bed: ServingTestbed, count: number): void => {
    for (let index = 0; index < count; index++) ask(bed, `request ${index}`)
  }

  test('it is given less', () => {
    const bed = bedOfSpeeds(15, 10)
    askMany(bed, 5)
    expect(rowsOf(bed)).toEqual([1, 4])
  })

  test('a request waits for the fast one where that finishes it sooner; beyond a threshold the slow one helps', () => {
    const bed = bedOfSpeeds(100, 10)
    askMany(bed, 5)
    expect(rowsOf(bed), 'after the first four the next waits for one answer and takes another').toEqual([0, 4])
    expect(coverageOf(bed.state, bed.now).waiting).toBe(1)
    for (let index = 5; index < 60; index++) ask(bed, `request ${index}`)
    expect(rowsOf(bed)[0], 'who would wait for nine answers begins on the slow one').toBeGreaterThan(0)
    bed.wait(200_000)
    expect([...bed.answers.keys()].filter(key => !finished(bed, key))).toEqual([])
  })
})

test('neighbours that cannot be linked are relayed, which is reported; a link that is made later ends it', () => {
  const bed = bedOf([tab(), tab(), tab()])
  const [first, second] = openPipelines(bed)[0]!
  ask(bed, 'a')
  bed.wait(500)
  bed.breakLink(first!, second!)
  bed.wait(1_000)
  expect(coverageOf(bed.state, bed.now).pipelines).toMatchObject([{ open: true, relayed: [0] }])
  expect(coverageOf(bed.state, bed.now).breaks[0]).toMatchObject({ cause: 'link_lost', sequences: 1 })
  bed.wait(6_000)
  expect(finished(bed, 'a')).toBe(true)
  const measured = [{ peer: bed.tabs[second!]!.peer, ms: 10 }]
  bed.input({ kind: 'profile', peer: bed.tabs[first!]!.peer, message: { ...bed.state.hosts.get(bed.tabs[first!]!.peer)!.profile!, roundTrips: measured } })
  bed.input({ kind: 'pipeline_broken', peer: bed.tabs[first!]!.peer, message: { pipeline: [...bed.state.pipelines.keys()][0]!, reason: 'a work is missing' } })
  bed.unlinkable.clear()
  bed.wait(1_000)
  expect(coverageOf(bed.state, bed.now).pipelines).toMatchObject([{ open: true, relayed: [] }])
})

test('who loads a slice for minutes, or has nothing to hold, is not taken for late', () => {
  const bed = bedOf([tab(), tab(), tab({ loadMs: 100_000 }), tab({ memoryBytes: 0 })])
  for (const index of [2, 3]) bed.ail(index, 'frozen')
  bed.wait(90_000)
  expect(coverageOf(bed.state, bed.now).hosts.map(({ state }) => state)).toEqual(['ready', 'ready', 'assigned', 'assigned'])
})

test('a better plan is made only once nobody has worked for a while', () => {
  const bed = bedOf([tab(), tab(), tab(), tab({ memoryBytes: 2 * THIRD })], 3)
  const grown = openPipelines(bed)
  bed.join(3)
  bed.wait(20_000)
  ask(bed, 'a')
  bed.wait(55_000)
  expect(openPipelines(bed)).toEqual(grown)
  bed.wait(20_000)
  expect(openPipelines(bed).map(stages => stages.length)).toEqual([2])
})

describe('requests that nobody can serve', () => {
  function refusalAfter(bed: ServingTestbed, ms: number): unknown {
    bed.wait(ms)
    return bed.answers.get('a')!.refusal
  }

  test('with a third of the model missing are refused after a grace, with the layers and the reason', () => {
    const bed = bedOf([tab(), tab()])
    ask(bed, 'a')
    expect(refusalAfter(bed, 4_900)).toBeUndefined()
    expect(refusalAfter(bed, 200)).toEqual({ kind: 'refused', code: 'layers_missing', missing: [{ layers: { start: 4, end: 6 }, reason: 'absent_peer' }] })
  })

  test('with peers whose memory is too small say so', () => {
    const bed = bedOf([tab(), tab(), tab({ memoryBytes: 0 })])
    ask(bed, 'a')
    expect(refusalAfter(bed, 6_000)).toMatchObject({ code: 'layers_missing', missing: [{ layers: { start: 4, end: 6 }, reason: 'no_memory' }] })
  })

  test('at a version that nobody holds are stale', () => {
    const bed = bedOf([tab(), tab(), tab()])
    ask(bed, 'a', { version: 7 })
    expect(refusalAfter(bed, 6_000)).toMatchObject({ code: 'stale_version', missing: [{ layers: { start: 0, end: 6 }, reason: 'stale_version' }] })
  })

  test('are served after all when the layers come within the grace', () => {
    const bed = bedOf([tab(), tab(), tab()], 2)
    ask(bed, 'a')
    bed.wait(3_000)
    bed.join(2)
    bed.wait(10_000)
    expect(finished(bed, 'a')).toBe(true)
  })

  test('are refused beyond as many as may wait', () => {
    const bed = bedOf([])
    for (let index = 0; index < 1_024; index++) ask(bed, `${index}`)
    ask(bed, 'a')
    expect(bed.answers.get('a')!.refusal).toMatchObject({ code: 'too_many_requests' })
    expect(bed.answers.get('0')!.refusal).toBeUndefined()
  })
})

test('a client that goes away frees its row in the same step, for whoever waits', () => {
  const bed = bedOf([tab({ memoryBytes: WHOLE, rows: 1 })])
  ask(bed, 'a')
  ask(bed, 'b')
  bed.wait(200)
  expect(coverageOf(bed.state, bed.now)).toMatchObject({ waiting: 1, hosts: [{ rows: 1 }] })
  bed.close('a')
  expect(tells(bed.told.at(-1)!.effects)).toEqual(['sequences_given_up', 'sequences_requested'])
  bed.wait(6_000)
  expect(finished(bed, 'b')).toBe(true)
  expect(coverageOf(bed.state, bed.now).recent.map(({ key, end }) => [key, end])).toEqual([['b', 'stop'], ['a', 'given_up']])
})

test('a server that stood still for a while takes nobody for silent', () => {
  const bed = bedOf([tab(), tab(), tab()])
  const late = bed.state.wakeAt! + 5_000
  for (const host of bed.state.hosts.values()) expect(host.liveness.heardAt).toBeLessThan(late - 5_000)
  bed.deafUntil(late)
  bed.wait(late - bed.now + 2_000)
  expect(coverageOf(bed.state, bed.now).breaks).toEqual([])
  expect(openPipelines(bed)).toHaveLength(1)
})
