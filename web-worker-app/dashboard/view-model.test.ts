import { expect, test } from 'vitest'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import { runFeed } from '#shared/protocol/run-feed.ts'
import { decode } from '#shared/protocol/schema.ts'
import { PEER_A, PEER_B, PEER_GONE, sampleDescription, sampleFeed, sampleSnapshot } from '../presentation/sample-run.ts'
import { runMessages } from '../presentation/run-messages.ts'
import type { Connection } from '../session/session-store.ts'
import { chartModels, trailingMean, type ChartId } from './chart-models.ts'
import { messages } from './messages.ts'
import { PEERS_SHOWN, peersView } from './peer-rows.ts'
import { dashboardView, type RunView } from './view-model.ts'

function runView(feed: RunFeed = sampleFeed): RunView {
  const view = dashboardView(sampleSnapshot({ description: sampleDescription, feed }))
  if (view.kind !== 'run') throw new Error('a feed was given, but no run is shown')
  return view
}
const card = (view: RunView, id: string) => view.cards.find(each => each.id === id)
const chart = (id: ChartId, feed: RunFeed = sampleFeed) => chartModels(feed).find(each => each.id === id)!

const freshFeed: RunFeed = {
  ...sampleFeed,
  report: {
    ...sampleFeed.report,
    updates: 0,
    eval: { before: null, after: null },
    reward: [],
    lag: { mean: 0, max: 0, histogram: [] },
    rollouts: { leased: 0, accepted: 0, stale: 0, rejected: {} },
    dissemination: { versions: 1, bytesFromOrigin: 0, bytesFromPeers: 0 },
    peers: []
  },
  metrics: [],
  evaluations: [],
  peers: [],
  latestRollouts: []
}

test('the sample is a feed that the wire lets through', () => {
  expect(decode(runFeed, sampleFeed).kind).toBe('ok')
  expect(decode(runFeed, freshFeed).kind).toBe('ok')
})

test.each([
  ['connecting', sampleSnapshot({ connection: 'connecting' }), messages.empty.connecting.headline, null],
  ['the server is away', sampleSnapshot({ connection: 'offline' }), messages.empty.offline.headline, null],
  ['the server takes no page', sampleSnapshot({ connection: 'refused' }), messages.empty.refused.headline, null],
  ['no run is open', sampleSnapshot(), messages.empty.noRun.headline, messages.empty.startCommand],
  ['no report yet', sampleSnapshot({ description: sampleDescription }), 'Run arithmetic-7f3a is open', null]
])('nothing to show: %s', (_why, snapshot, headline, command) => {
  expect(dashboardView(snapshot)).toMatchObject({ kind: 'empty', headline, command })
})

test('the title of the page says the phase, or that these numbers are old', () => {
  const title = (connection: Connection) => dashboardView(sampleSnapshot({ description: sampleDescription, feed: sampleFeed, connection })).documentTitle
  expect(title('online')).toContain('Running')
  for (const connection of ['offline', 'refused'] as const) expect(title(connection)).toContain(runMessages.connection[connection])
})

test('the header names the run and how far it is', () => {
  const { header } = runView()
  expect(header).toMatchObject({ run: 'arithmetic-7f3a', phaseLabel: 'Running', progress: 0.25 })
  expect(header.facts.map(fact => fact.value)).toEqual(['3 of 12', '3 min 36 s', 'asynchronous', '4', '17'])
})

test('the cards show the numbers of the report', () => {
  expect(Object.fromEntries(runView().cards.map(({ id, value, note }) => [id, [value, note]]))).toEqual({
    success: ['41.2 % → 55.0 %', '+13.8 points, n = 256'],
    reward: ['0.61', 'latest update; first was 0.45'],
    lag: ['1.23 / 3', 'mean / max at learning time, S = 4'],
    rate: ['625', '611 over the run; learner 1,804'],
    busy: ['83 %', 'of the run’s time in learner steps'],
    rollouts: ['872', 'accepted; 41 stale, 15 rejected'],
    flow: ['96 / 31', 'rollouts now; 1,024 leased so far'],
    spread: ['75 %', '24.0 MB from tabs, 8.0 MB from origin, 4 versions']
  })
})

test('the held-out success of a finished run is the last one of the report, not of the live evaluations', () => {
  const feed = { ...sampleFeed, report: { ...sampleFeed.report, eval: { ...sampleFeed.report.eval, after: { success: 0.93, n: 500 } } } }
  expect(card(runView(feed), 'success')).toMatchObject({ value: '41.2 % → 93.0 %', note: '+51.8 points, n = 500' })
})

test.each(['finished', 'stopped'] as const)('a run that has %s shows its mean rate, not the last live one', phase => {
  expect(card(runView({ ...sampleFeed, phase }), 'rate')).toEqual({ id: 'rate', label: 'Mean token/s', value: '611', note: 'over the whole run; learner 1,804' })
})

test('a run without updates shows dashes and no invented zero success', () => {
  const view = runView(freshFeed)
  expect(card(view, 'success')).toMatchObject({ value: '–', note: messages.cards.successUnknown })
  expect(card(view, 'reward')).toMatchObject({ value: '–' })
  expect(card(view, 'spread')).toMatchObject({ value: '–' })
  for (const model of view.charts) {
    expect(model.x).toEqual([])
    expect(model.sentence).toBe(messages.charts.noDataSentence(model.title))
  }
})

test('each chart has its series, and a sentence that says what is drawn', () => {
  expect(chart('reward').series.map(series => series.values)).toEqual([sampleFeed.report.reward, [0.45, 0.475, (0.45 + 0.5 + 0.61) / 3]])
  expect(chart('reward').sentence).toBe('Reward per update went from 0.45 at update 1 to 0.61 at update 3; lowest 0.45, highest 0.61.')
  expect(chart('success')).toMatchObject({ x: [0, 2], sentence: 'Held-out success went from 41.2 % at version 0 to 55.0 % at version 2; lowest 41.2 %, highest 55.0 %.' })
  expect(chart('policy').series.map(series => series.values)).toEqual([
    [1.1, 0.9, 0.8],
    [0.002, 0.004, 0.003]
  ])
  expect(chart('gradient').sentence).toBe('Gradient norm went from 0.9 at version 1 to 0.7 at version 3; lowest 0.5, highest 0.9.')
})

test('the lag histogram spans the whole staleness budget', () => {
  expect(chart('lag')).toMatchObject({
    x: [0, 1, 2, 3, 4],
    series: [{ values: [300, 500, 60, 12, 0] }],
    sentence: '872 rollouts learnt from, at a mean lag of 1.23 and at most 3; the commonest lag is 1.'
  })
})

test('the trailing mean has a bounded memory', () => {
  expect(trailingMean([1, 2, 3, 10], 2)).toEqual([1, 1.5, 2.5, 6.5])
})

test('peers: those here by received tokens, those gone after them, with the numbers of the report', () => {
  const view = peersView(sampleFeed)
  expect(view.rows.map(row => [row.id, row.state, row.tokens, row.accepted, row.rejected])).toEqual([
    [PEER_B, 'generating', '9,700', '460', '15'],
    [PEER_A, 'fetching', '3,100', '401', '0'],
    [PEER_GONE, 'gone', '120', '11', '0']
  ])
  expect(view.rows[0]).toMatchObject({ shortId: 'bbbbbb', engine: 'WebGPU', version: '3', rate: '412', links: '1', fromOrigin: '4.2 MB', fromPeers: '0 B' })
  expect(view).toMatchObject({
    here: 2,
    gone: 1,
    hidden: 0,
    versionsHeld: [
      { version: 3, holders: 1 },
      { version: 2, holders: 1 }
    ]
  })
})

test('of thousands of peers the table shows a bounded number, and says how many it leaves out', () => {
  const peers = Array.from({ length: 5000 }, (_, i) => ({ ...sampleFeed.peers[0]!, id: i.toString(16).padStart(32, '0') }))
  const view = peersView({ ...sampleFeed, peers })
  expect(view.rows).toHaveLength(PEERS_SHOWN)
  expect(view.hidden).toBe(5000 + 3 - PEERS_SHOWN)
})

test('of a run with several turns, rollouts are shown with all of them, and counted when they are finished', () => {
  const [latest] = sampleFeed.latestRollouts
  const earlier = [{ prompt: 'guess 1-9: ', completion: '5' }]
  const { rollouts, ...report } = sampleFeed.report
  const view = runView({ ...sampleFeed, report: { ...report, rollouts: { ...rollouts, finished: 310 } }, latestRollouts: [{ ...latest!, earlier }, latest!] })
  const last = { prompt: latest!.prompt, completion: latest!.completion }
  expect(view.rollouts.map(({ episode }) => episode.turns)).toEqual([[...earlier, last], [last]])
  expect(view.cards.find(({ id }) => id === 'rollouts')).toMatchObject({ value: '310', note: 'finished; of their turns 872 accepted, 41 stale, 15 rejected' })
})

test('rollouts and rejections are told in words; an unknown reason comes through as it is', () => {
  const [accepted, rejected] = runView().rollouts
  expect(accepted).toMatchObject({ outcomeLabel: 'Accepted', reward: 'reward 1', reason: null, version: 'version 3', peer: 'peer bbbbbb' })
  expect(rejected).toMatchObject({ episode: { turns: [{ completion: '<b>48</b>' }] }, reward: null, reason: 'its probabilities differ from the recomputed ones' })
  expect(runView().rejections.map(({ reason, count }) => [reason, count])).toEqual([
    ['log_prob_mismatch', 12],
    ['wrong_version', 3]
  ])
  const odd = { ...sampleFeed, latestRollouts: [{ ...sampleFeed.latestRollouts[1]!, reason: 'new reason' }] }
  expect(runView(odd).rollouts[0]?.reason).toBe('new reason')
})
