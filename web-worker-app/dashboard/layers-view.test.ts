import fc from 'fast-check'
import { expect, test } from 'vitest'
import { layerCoverage, type LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { decode } from '#shared/protocol/schema.ts'
import { runs } from '#shared/testing/property-runs.ts'
import { PEER_A, PEER_B, PEER_SPARE, sampleCoverage, sampleFeed, sampleSnapshot } from '../presentation/sample-run.ts'
import { layerMessages as text } from './layer-messages.ts'
import { formatLayers, HOSTS_SHOWN, layersView } from './layers-view.ts'
import { dashboardView } from './view-model.ts'

type Host = LayerCoverage['hosts'][number]

const peerName = (n: number): string => n.toString(16).padStart(32, '0')
const host = (peer: string, layers: Host['layers'], change: Partial<Host> = {}): Host => ({ peer, layers, state: 'ready', decodeMs: 2, rows: 1, ...change })
const quiet: LayerCoverage = { ...sampleCoverage, hosts: [], pipelines: [], recent: [], breaks: [] }

test('the sample is a coverage that the wire lets through', () => {
  expect(decode(layerCoverage, sampleCoverage).kind).toBe('ok')
})

test('what was told of another run, or not at all, is not shown', () => {
  const shown = (coverage?: LayerCoverage) => dashboardView(sampleSnapshot({ feed: sampleFeed, coverage }))
  expect(shown(sampleCoverage)).toMatchObject({ layers: { layers: 4 }, requests: [{}, {}, {}], breaks: [{}] })
  for (const coverage of [undefined, { ...sampleCoverage, run: 'other' }]) expect(shown(coverage)).toMatchObject({ layers: null, requests: [], breaks: [] })
})

test('a pipeline stands in the order of its stages, with what flows through it; others stand below it', () => {
  const view = layersView(sampleCoverage)
  expect(view).toMatchObject({ summary: '4 layers, 3 tabs · 2 ready · 1 loading', status: ['Every layer is served: 1 pipeline is open.'], missing: [], hidden: 0 })
  expect(view.groups.map(({ title, open, facts }) => ({ title, open, facts }))).toEqual([
    { title: 'Pipeline 2', open: true, facts: ['3 sequences in flight', '11 ms of computing per token', 'version 3 and 1 older'] },
    { title: text.group.standby, open: null, facts: [] }
  ])
  expect(view.groups.flatMap(({ rows }) => rows).map(row => [row.peer, row.stage, row.layersLabel, row.stateLabel, row.latency, row.inFlight, row.next])).toEqual([
    [PEER_A, '1', '0–1', 'ready', '4.5', '3', 'link'],
    [PEER_B, '2', '2–3', 'ready', '6.3', '3', 'relay'],
    [PEER_SPARE, null, '2', 'loading', '–', '0', null]
  ])
})

test('a stage that was not measured leaves its pipeline without a latency, rather than with a part of it', () => {
  const hosts = sampleCoverage.hosts.map(each => (each.peer === PEER_B ? { ...each, decodeMs: null } : each))
  expect(layersView({ ...sampleCoverage, hosts }).groups[0]?.facts).toEqual(['3 sequences in flight', 'version 3 and 1 older'])
})

test('the picture counts the ready tabs of each layer', () => {
  expect(layersView(sampleCoverage).picture).toMatchObject({ range: '1', sentence: 'Ready tabs for each layer: 0–3: 1.' })
  const hosts = [host(PEER_A, { start: 0, end: 2 }), host(PEER_B, { start: 0, end: 3 }), host(PEER_SPARE, { start: 2, end: 4 }, { state: 'late' })]
  expect(layersView({ ...quiet, hosts }).picture).toEqual({
    stretches: [
      { layers: { start: 0, end: 2 }, ready: 2 },
      { layers: { start: 2, end: 3 }, ready: 1 },
      { layers: { start: 3, end: 4 }, ready: 0 }
    ],
    most: 2,
    range: '0 to 2',
    sentence: 'Ready tabs for each layer: 0–1: 2; 2: 1; 3: none.'
  })
})

test('the stretches of the picture tile the model, and each says how many ready tabs hold its layers', () => {
  const fleets = fc.record({
    layers: fc.integer({ min: 2, max: 40 }),
    cuts: fc.array(fc.tuple(fc.nat(39), fc.nat(39), fc.constantFrom('ready', 'assigned', 'late')), { minLength: 1, maxLength: 30 })
  })
  fc.assert(
    fc.property(fleets, ({ layers, cuts }) => {
      const hosts = cuts.map(([a, b, state], n) => {
        const [start, end] = [Math.min(a, b) % layers, Math.max(a, b) % layers]
        return host(peerName(n), start < end ? { start, end } : null, { state })
      })
      const stretches = layersView({ ...quiet, layers, hosts, missing: [{ layers: { start: 0, end: 1 }, reason: 'absent_peer' }] }).picture!.stretches
      const counts = stretches.flatMap(({ layers: { start, end }, ready }) => Array.from({ length: end - start }, () => ready))
      const expected = Array.from({ length: layers }, (_, layer) => hosts.filter(({ layers: held, state }) => state === 'ready' && held !== null && held.start <= layer && layer < held.end).length)
      expect(counts).toEqual(expected)
    }),
    runs(100)
  )
})

test.each([
  [[host(PEER_A, { start: 0, end: 4 })], ['1 tab holds the whole model (4 layers): every request is served by one tab, and none passes from tab to tab.']],
  [
    [host(PEER_A, { start: 0, end: 4 }), host(PEER_B, { start: 0, end: 4 }, { state: 'late' }), host(PEER_SPARE, null)],
    ['2 tabs hold the whole model (4 layers): every request is served by one tab, and none passes from tab to tab.', '1 tab holds nothing, because nothing that is needed fits.']
  ]
])('where every tab holds the whole model, that is said in words and not drawn', (hosts, status) => {
  const pipelines = hosts.filter(({ layers }) => layers !== null).map(({ peer }, pipeline) => ({ pipeline, stages: [peer], open: true, spared: false, versions: [1], relayed: [] }))
  expect(layersView({ ...quiet, hosts, pipelines })).toMatchObject({ status, picture: null, groups: [], hidden: 0 })
})

test('beside pipelines of several stages, tabs with the whole model share one group, and so do those with nothing', () => {
  const hosts = [...sampleCoverage.hosts, host(peerName(1), { start: 0, end: 4 }), host(peerName(2), null, { state: 'assigned' })]
  const pipelines = [...sampleCoverage.pipelines, { pipeline: 1, stages: [peerName(1)], open: true, spared: false, versions: [3], relayed: [] }]
  const view = layersView({ ...sampleCoverage, hosts, pipelines })
  expect(view.groups.map(({ title }) => title)).toEqual(['Pipeline 2', text.group.whole, text.group.standby, text.group.idle])
  expect(view.groups.at(-1)?.rows.map(({ layersLabel, stateLabel }) => [layersLabel, stateLabel])).toEqual([['–', 'idle']])
  expect(view.status).toEqual(['Every layer is served: 2 pipelines are open.'])
})

test('layers that are missing are named with the reason and what helps, instead of a word that all is served', () => {
  const view = layersView({
    ...sampleCoverage,
    pipelines: [],
    waiting: 2,
    missing: [
      { layers: { start: 1, end: 3 }, reason: 'absent_peer' },
      { layers: { start: 3, end: 4 }, reason: 'no_memory' }
    ]
  })
  expect(view.missing).toEqual([
    { layers: 'Layers 1–2 cannot be served:', text: text.missingReason.absent_peer },
    { layers: 'Layer 3 cannot be served:', text: text.missingReason.no_memory }
  ])
  expect(view.status).toEqual(['2 requests wait for a pipeline.'])
})

test('before anybody offers memory there is nothing to draw; before a pipeline opens nothing is said to be served', () => {
  const missing = [{ layers: { start: 0, end: 4 }, reason: 'absent_peer' as const }]
  expect(layersView({ ...quiet, missing })).toMatchObject({ status: [text.nobody], missing: [], picture: null, groups: [] })
  const opening = sampleCoverage.pipelines.map(pipeline => ({ ...pipeline, open: false }))
  expect(layersView({ ...sampleCoverage, pipelines: opening }).status).toEqual([text.opening])
})

test('of thousands of tabs a bounded number is shown, pipelines first, and how many are left out', () => {
  const pairs = Array.from({ length: 2000 }, (_, n) => [peerName(2 * n), peerName(2 * n + 1)] as const)
  const hosts = pairs.flatMap(([first, last]) => [host(first, { start: 0, end: 2 }), host(last, { start: 2, end: 4 })])
  const pipelines = pairs.map((stages, pipeline) => ({ pipeline, stages: [...stages], open: true, spared: false, versions: [1], relayed: [] }))
  const view = layersView({ ...quiet, hosts, pipelines })
  expect(view.groups.reduce((sum, { rows }) => sum + rows.length, 0)).toBe(HOSTS_SHOWN)
  expect(view.hidden).toBe(4000 - HOSTS_SHOWN)
  expect(view.picture).toMatchObject({ most: 2000, range: '2,000' })
})

test('the order of the message does not move rows', () => {
  const { hosts, pipelines } = sampleCoverage
  const more = [...pipelines, { pipeline: 1, stages: [PEER_SPARE, PEER_B], open: false, spared: false, versions: [], relayed: [] }]
  expect(layersView({ ...sampleCoverage, hosts: hosts.toReversed(), pipelines: more.toReversed() })).toEqual(layersView({ ...sampleCoverage, pipelines: more }))
})

test('ranges are read to their last layer', () => {
  expect([formatLayers({ start: 0, end: 1 }), formatLayers({ start: 12, end: 24 })]).toEqual(['0', '12–23'])
})
