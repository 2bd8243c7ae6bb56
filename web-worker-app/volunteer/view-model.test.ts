import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PEER_STATES, type PeerState } from '#shared/protocol/peer-status.ts'
import { REJECTION_REASONS } from '#shared/protocol/rollout.ts'
import { sampleDescription, sampleFeed, sampleSnapshot } from '../presentation/sample-run.ts'
import type { VolunteerReason } from '../session/session-store.ts'
import { flockLayout } from './flock.ts'
import { messages } from './messages.ts'
import { OWN_ROLLOUTS_ON_PAGE } from './own-rollouts.ts'
import { volunteerView } from './view-model.ts'

/** Where something is wrong, and not only missing. */
const TROUBLE: readonly string[] = [messages.notYet.offline, messages.notYet.refused]
const device = { webgpu: true, engineBytes: { webgpu: 27_000_000, wasm: 14_000_000 } }
const reasons = Object.keys(messages.reason) as VolunteerReason[]
const run = { description: sampleDescription, feed: sampleFeed }
const start = (reason: VolunteerReason) => volunteerView(sampleSnapshot(run, { state: 'stopped', reason }), device).start
const controls = (state: PeerState) => volunteerView(sampleSnapshot(run, { state, reason: null }), device).controls
const download = (bytesSinceJoining: number, version: number | null = null) =>
  volunteerView(sampleSnapshot(run, { state: 'fetching', reason: null, bytesFromOrigin: 8_000_000, bytesFromPeers: 1_000_000, bytesSinceJoining, version }), device).download

test('before the start: cost is on the button, facts are shown, nothing can be paused', () => {
  const view = volunteerView(sampleSnapshot(run, { memoryBytes: 512_000_000 }), device)
  expect(view.facts?.[3]?.text).toMatch(/^Up to 512 MB/)
  expect(view.start).toEqual({ label: 'Start helping', consequence: 'up to 44.2 MB to download · stop any time', action: 'start', enabled: true, note: null, trouble: false })
  expect(view.facts?.map(fact => fact.term)).toEqual(['Download', 'Runs on', 'Work', 'Memory', 'Sharing', 'Stopping', 'Never'])
  expect(view.facts?.[0]?.text).toMatch(/^At most 44\.2 MB the first time: 3\.2 MB of model/)
  expect(view.controls).toEqual([])
  expect(view.contribution).toBeNull()
})

test('without WebGPU the page says that it will run on the processor, and costs less', () => {
  const view = volunteerView(sampleSnapshot(run), { ...device, webgpu: false })
  expect(view.facts?.[1]?.text).toBe(messages.facts.engine.processor)
  expect(view.start?.consequence).toContain('up to 17.2 MB')
})

test.each([
  ['while connecting', sampleSnapshot({ connection: 'connecting' }), messages.notYet.connecting],
  ['while the server is away', sampleSnapshot({ ...run, connection: 'offline' }), messages.notYet.offline],
  ['before the server has ever been reached', sampleSnapshot({ connection: 'offline' }), messages.notYet.offline],
  ['while the server takes no page', sampleSnapshot({ ...run, connection: 'refused' }), messages.notYet.refused],
  ['without a run', sampleSnapshot(), messages.notYet.noRun],
  ['after the end of the run', sampleSnapshot({ ...run, feed: { ...sampleFeed, phase: 'finished' } }), messages.notYet.finished]
])('%s the start button is off and says why', (_when, snapshot, note) => {
  expect(volunteerView(snapshot, device).start).toMatchObject({ enabled: false, note, trouble: TROUBLE.includes(note) })
})

test('an outdated page offers to be reloaded, other failures to try again', () => {
  expect(start('page_outdated')).toMatchObject({ action: 'reload', enabled: true })
  expect(start('self_test_failed')).toMatchObject({ action: 'start', label: messages.start.retry })
  expect(start('user_stopped')).toMatchObject({ action: 'start', label: messages.start.again })
})

test('in every state and for every reason there are words, and a way on or a way out', () => {
  fc.assert(
    fc.property(fc.constantFrom(...PEER_STATES), fc.constantFrom(null, ...reasons), (state, reason) => {
      const view = volunteerView(sampleSnapshot(run, { state, reason }), device)
      expect(view.status.headline).not.toBe('')
      expect(view.status.explanation).toMatch(/\.$/)
      expect(view.start !== null).toBe(state === 'stopped')
      expect(view.controls.includes('stop')).toBe(state !== 'stopped')
    })
  )
})

test('a reason speaks instead of its state, with its detail', () => {
  const { status } = volunteerView(sampleSnapshot(run, { state: 'stopped', reason: 'self_test_failed', detail: 'wasm: 0.03 off' }), device)
  expect(status).toMatchObject({ headline: messages.reason.self_test_failed.headline, detail: 'wasm: 0.03 off', mood: 'failed' })
})

test.each(['finished', 'stopped'] as const)('a tab that waits is told that the run has %s, and not to expect prompts', phase => {
  const over = { ...run, feed: { ...sampleFeed, phase } }
  const words = (reason: VolunteerReason, state: PeerState = 'waiting') => volunteerView(sampleSnapshot(over, { state, reason }), device).status
  expect(words('no_work')).toMatchObject({ headline: messages.runOver[phase].headline, mood: 'idle' })
  expect(words('no_run')).toMatchObject({ headline: messages.runOver[phase].headline })
  expect(words('offline')).toMatchObject({ headline: messages.reason.offline.headline, mood: 'waiting' })
  expect(words('user_paused', 'paused')).toMatchObject({ headline: messages.reason.user_paused.headline })
})

test('a run without tabs is not drawn as a flock of none', () => {
  const { run: picture } = volunteerView(sampleSnapshot({ ...run, feed: { ...sampleFeed, peers: [] } }), device)
  expect(picture).toMatchObject({ tabs: 0, tabsSentence: messages.run.noTabs })
})

test('pause while working, resume while paused', () => {
  expect(controls('generating')).toEqual(['pause', 'stop'])
  expect(controls('paused')).toEqual(['resume', 'stop'])
})

test('progress of the first download counts since the tab joined, and never passes its end', () => {
  expect(download(1_622_836)).toEqual({ fraction: 0.5, text: '1.6 MB of 3.2 MB' })
  expect(download(9_000_000)?.fraction).toBe(1)
  expect(download(1_622_836, 4)).toBeNull()
})

test('what the tab has done stays visible after it was stopped', () => {
  const work = { state: 'stopped', reason: 'user_stopped', engine: 'wasm', tokens: 41_873, accepted: 61, rejected: 2, version: 58, links: 0, bytesFromOrigin: 1_000_000, bytesFromPeers: 3_000_000 } as const
  const { contribution } = volunteerView(sampleSnapshot(run, work), device)
  expect(Object.fromEntries(contribution!.figures.map(({ id, value }) => [id, value]))).toEqual({
    tokens: '41,873',
    accepted: '61',
    rejected: '2',
    engine: 'WASM'
  })
  expect(contribution).toMatchObject({ fromOrigin: '1.0 MB from the server', fromPeers: '3.0 MB from other tabs', peerShare: 0.75 })
})

test('own rollouts carry their text where it is known, and every rejection in words', () => {
  const rejected = REJECTION_REASONS.map((rejection, i) => ({ id: `90/${i}`, episode: null, version: 3, tokens: 1, outcome: 'rejected', reward: null, rejection }) as const)
  const { ownRollouts } = volunteerView(
    sampleSnapshot(run, {
      ownRollouts: [
        { id: '40/1', episode: { turns: [{ prompt: '12+35=', completion: '47' }], record: undefined, reward: 0.25 }, version: 3, tokens: 3, outcome: 'accepted', reward: 0.25, rejection: null },
        { id: '41/0', episode: null, version: 3, tokens: 4, outcome: 'sent', reward: null, rejection: null },
        ...rejected
      ]
    }),
    device
  )
  expect(ownRollouts).toHaveLength(OWN_ROLLOUTS_ON_PAGE)
  expect(ownRollouts[1]).toMatchObject({ episode: null, name: 'Rollout 41/0, 4 tokens', verdict: messages.own.sent })
  expect(ownRollouts[0]).toMatchObject({ episode: { turns: [{ prompt: '12+35=', completion: '47' }] }, verdict: 'Your answer passed every check. Reward 0.25.' })
  for (const { verdict } of ownRollouts.slice(2)) expect(verdict).not.toMatch(/_/)
})

test('the picture of the run is that of the feed', () => {
  const { run: picture } = volunteerView(sampleSnapshot(run), device)
  expect(picture).toMatchObject({ tabs: 2, generating: 1, tabsSentence: '2 tabs are in this run, 1 generating now.', progress: 0.25 })
  expect(Object.fromEntries(picture!.figures.map(({ id, value }) => [id, value]))).toEqual({ success: '41 % → 55 %', updates: '3 of 12', accepted: '872', rate: '625 tokens' })
  expect(picture!.curve.map(point => [point.version, point.success])).toEqual([
    [0, 0.412],
    [2, 0.55]
  ])
})

test.each(['finished', 'stopped'] as const)('the picture of a run that has %s shows its mean rate, not the last live one', phase => {
  const { run: picture } = volunteerView(sampleSnapshot({ ...run, feed: { ...sampleFeed, phase } }), device)
  expect(picture!.figures.find(({ id }) => id === 'rate')).toEqual({ id: 'rate', label: messages.run.meanRate, value: '611 tokens' })
})

test.each(['offline', 'refused'] as const)('%s: only numbers that were received are called old', connection => {
  expect(volunteerView(sampleSnapshot({ ...run, connection }), device)).toMatchObject({ connectionLost: true, run: { tabs: 2 } })
  expect(volunteerView(sampleSnapshot({ connection }), device)).toMatchObject({ connectionLost: false, run: null, runMissing: messages.run.none })
})

test('the last evaluation of the report closes the curve', () => {
  const report = { ...sampleFeed.report, eval: { ...sampleFeed.report.eval, after: { success: 0.93, n: 500 } } }
  const { run: picture } = volunteerView(sampleSnapshot({ ...run, feed: { ...sampleFeed, report } }), device)
  expect(picture!.curve.at(-1)).toEqual({ version: 3, success: 0.93, n: 500 })
})

test('a flock of any size stays inside its picture', () => {
  fc.assert(
    fc.property(fc.nat(500), tabs => {
      const outside = flockLayout(tabs).filter(({ x, y }) => Math.max(Math.abs(x - 0.5), Math.abs(y - 0.5)) >= 0.47)
      expect(outside).toEqual([])
    })
  )
})
