import { expect, test } from 'vitest'
import { announced, leaseOf, rolloutsOf, ROWS, RUN, Tab, WHOLE } from '../testing/volunteer-testbed.ts'
import { describeVolunteer, RETRY_MS } from './volunteer.ts'

test('nothing happens before the person starts it, and then it joins, is given layers, fetches, tests, takes its place and asks for work', () => {
  const tab = new Tab()
  expect(tab.step({ kind: 'connected' })).toEqual([])
  expect(tab.step({ kind: 'lease_granted', lease: leaseOf('a', 0, 4) })).toEqual([])
  expect(describeVolunteer(tab.state)).toEqual({ state: 'stopped', reason: 'not_started' })
  expect(tab.kinds({ kind: 'start' })).toEqual(['join'])
  expect(describeVolunteer(tab.state).state).toBe('joining')
  expect(tab.kinds({ kind: 'welcome', run: RUN, base: announced(0), newest: announced(2) })).toEqual([])
  expect(describeVolunteer(tab.state).state).toBe('joining')
  expect(tab.kinds({ kind: 'slice_assigned', layers: WHOLE })).toEqual(['fetch_version'])
  expect(describeVolunteer(tab.state).state).toBe('fetching')
  expect(tab.kinds({ kind: 'version_ready', ...announced(0) })).toEqual(['tell_held', 'fetch_version', 'load_engine'])
  expect(describeVolunteer(tab.state).state).toBe('testing')
  expect(tab.step({ kind: 'engine_ready', rows: ROWS })).toEqual([{ kind: 'tell_ready', layers: WHOLE }])
  expect(describeVolunteer(tab.state).state).toBe('fetching')
  tab.step({ kind: 'version_ready', ...announced(2) })
  expect(describeVolunteer(tab.state)).toEqual({ state: 'waiting', reason: 'no_place' })
  expect(tab.all('want_work')).toEqual([])
  tab.openPipeline([0, 2])
  expect(tab.last('want_work')).toEqual({ kind: 'want_work', version: 2, rollouts: 2 * ROWS })
  expect(describeVolunteer(tab.state)).toEqual({ state: 'waiting', reason: 'no_work' })
})

test('a lease is generated with its version, and an adapter is swapped only when nothing runs', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, ROWS) })
  expect(tab.last('use_version')).toMatchObject({ version: 1 })
  const first = tab.last('generate')!.batch
  tab.step({ kind: 'policy_announced', announced: announced(2) })
  expect(tab.last('fetch_version')).toMatchObject({ version: 2 })
  tab.step({ kind: 'version_ready', ...announced(2) })
  expect(tab.kinds({ kind: 'lease_granted', lease: leaseOf('b', 2, ROWS) })).not.toContain('use_version')
  expect(describeVolunteer(tab.state).state).toBe('generating')
  tab.step({ kind: 'rollouts_finished', batch: first.id, rollouts: rolloutsOf(first) })
  expect(tab.all('use_version')).toHaveLength(1)
  const effects = tab.kinds({ kind: 'batch_ended', batch: first.id })
  expect(effects.indexOf('use_version')).toBeLessThan(effects.indexOf('generate'))
  expect(tab.last('use_version')).toMatchObject({ version: 2 })
})

test('free rows are refilled from leases of the running version while it runs', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, 2 * ROWS) })
  const first = tab.last('generate')!.batch
  expect(rolloutsOf(first)).toHaveLength(ROWS)
  tab.step({ kind: 'rollouts_finished', batch: first.id, rollouts: rolloutsOf(first).slice(0, 1) })
  expect(tab.all('generate')).toHaveLength(1)
  tab.step({ kind: 'rollouts_finished', batch: first.id, rollouts: rolloutsOf(first).slice(1, 3) })
  expect(rolloutsOf(tab.last('generate')!.batch)).toHaveLength(3)
  expect(tab.all('use_version')).toHaveLength(1)
})

test('what the learner needs first goes first: older versions, then older prompts, however late they were leased', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'policy_announced', announced: announced(2) })
  tab.step({ kind: 'version_ready', ...announced(2) })
  tab.step({ kind: 'lease_granted', lease: leaseOf('running', 1, ROWS, { firstPrompt: 6 }) })
  tab.step({ kind: 'lease_granted', lease: leaseOf('new version', 2, ROWS, { firstPrompt: 3 }) })
  tab.step({ kind: 'lease_granted', lease: leaseOf('late prompt', 1, ROWS, { firstPrompt: 7 }) })
  tab.step({ kind: 'lease_granted', lease: leaseOf('early prompt', 1, ROWS, { firstPrompt: 2 }) })
  for (let batch = 0; batch < 3; batch++) tab.finish(tab.last('generate')!.batch)
  expect(tab.all('generate').map(({ batch }) => batch.prompts[0]!.lease)).toEqual(['running', 'early prompt', 'late prompt', 'new version'])
})

test('more work is asked for before the engine runs dry', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, 2 * ROWS) })
  expect(tab.state.wish.rollouts).toBe(0)
  const batch = tab.last('generate')!.batch
  tab.finish(batch)
  expect(describeVolunteer(tab.state).state).toBe('generating')
  expect(tab.state.wish).toEqual({ version: 1, rollouts: ROWS })
})

test('a rollout stays in the outbox until it is answered, whatever happens to the connection', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, 4) })
  tab.finish(tab.last('generate')!.batch)
  const [sent] = tab.all('submit')
  expect(sent!.submission.rollouts.map(({ id }) => id)).toEqual(['0/0', '0/1', '0/2', '0/3'])
  tab.step({ kind: 'disconnected' })
  expect(describeVolunteer(tab.state)).toEqual({ state: 'waiting', reason: 'offline' })
  tab.step({ kind: 'connected' })
  expect(tab.all('submit')).toHaveLength(1)
  tab.step({ kind: 'welcome', run: RUN, base: announced(0), newest: announced(1) })
  expect(tab.last('submit')).toEqual(sent)
  tab.step({ kind: 'submission_refused', submission: sent!.id, code: 'no_trainer' })
  expect(tab.all('submit')).toHaveLength(2)
  tab.now = RETRY_MS
  tab.step({ kind: 'wake' })
  expect(tab.all('submit')).toHaveLength(3)
  tab.step({ kind: 'verdicts', submission: sent!.id, verdicts: [] })
  tab.now += RETRY_MS
  tab.step({ kind: 'wake' })
  expect(tab.all('submit')).toHaveLength(3)
})

test('a submission that can never be accepted is not sent for ever', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, 1) })
  tab.finish(tab.last('generate')!.batch)
  tab.step({ kind: 'submission_refused', submission: tab.last('submit')!.id, code: 'malformed' })
  expect(tab.state.outbox.size).toBe(0)
})

test('pausing holds the engine and takes the wish back; resuming goes on', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, 4) })
  expect(tab.kinds({ kind: 'pause' })).toEqual(['hold_engine', 'want_work'])
  expect(tab.last('want_work')).toMatchObject({ rollouts: 0 })
  expect(describeVolunteer(tab.state)).toEqual({ state: 'paused', reason: 'user_paused' })
  expect(tab.kinds({ kind: 'lease_granted', lease: leaseOf('b', 1, 4) })).not.toContain('generate')
  expect(tab.kinds({ kind: 'resume' })).toEqual(expect.arrayContaining(['release_engine', 'generate', 'want_work']))
})

test('work whose lease ended during a pause is dropped, the rest is generated again', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('short', 1, 2, { durationMs: 1000 }) })
  tab.step({ kind: 'lease_granted', lease: leaseOf('long', 1, 2) })
  tab.step({ kind: 'pause' })
  tab.now = 2000
  expect(tab.kinds({ kind: 'resume' })).toEqual(expect.arrayContaining(['abandon_batches', 'release_engine', 'generate']))
  expect(tab.last('generate')!.batch.prompts.map(({ lease }) => lease)).toEqual(['long'])
})

test('an engine that crashes is loaded once more and its work generated again; the second crash in a row ends it', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, 4) })
  const batch = tab.last('generate')!.batch
  tab.step({ kind: 'rollouts_finished', batch: batch.id, rollouts: rolloutsOf(batch).slice(0, 1) })
  expect(tab.kinds({ kind: 'engine_crashed' })).toContain('load_engine')
  tab.step({ kind: 'engine_ready', rows: ROWS })
  expect(tab.all('generate')).toHaveLength(1)
  tab.openPipeline()
  expect(tab.last('use_version')).toMatchObject({ version: 1 })
  expect(tab.last('generate')!.batch.prompts[0]!.samples.map(({ index }) => index)).toEqual([1, 2, 3])
  expect(tab.kinds({ kind: 'engine_crashed' })).toEqual(expect.arrayContaining(['leave']))
  expect(describeVolunteer(tab.state)).toEqual({ state: 'stopped', reason: 'engine_failed' })
})

test('an engine whose files cannot be had is loaded again after a while, or when the connection is back', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'engine_crashed' })
  tab.step({ kind: 'engine_unreachable' })
  expect(describeVolunteer(tab.state)).toEqual({ state: 'fetching', reason: 'engine_unreachable' })
  expect(tab.last('wake_at')).toEqual({ kind: 'wake_at', time: tab.now + RETRY_MS })
  tab.now += RETRY_MS
  expect(tab.kinds({ kind: 'wake' })).toContain('load_engine')
  tab.step({ kind: 'engine_unreachable' })
  tab.step({ kind: 'disconnected' })
  expect(describeVolunteer(tab.state)).toEqual({ state: 'fetching', reason: 'offline' })
  expect(tab.kinds({ kind: 'connected' })).toContain('load_engine')
})

test('a version that nobody has any more is given up for the newest; the newest and the base come back with the trainer', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'policy_announced', announced: announced(2) })
  expect(tab.last('fetch_version')).toMatchObject({ version: 2 })
  expect(tab.kinds({ kind: 'version_unavailable', ...announced(2) })).toEqual([])
  tab.step({ kind: 'policy_announced', announced: announced(3) })
  expect(tab.all('fetch_version').at(-1)).toMatchObject({ version: 2 })
  expect(tab.step({ kind: 'version_unavailable', ...announced(2) })).toEqual(expect.arrayContaining([{ kind: 'forget_version', ...announced(2) }, { kind: 'fetch_version', ...announced(3) }]))
  expect(tab.kinds({ kind: 'version_unavailable', ...announced(2) })).toEqual([])
  expect(tab.kinds({ kind: 'version_unavailable', ...announced(0) })).toEqual([])
})

test('a lease of a version that has not arrived waits for it, and one for other weights of that version is not generated', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'policy_announced', announced: announced(2) })
  expect(tab.kinds({ kind: 'lease_granted', lease: leaseOf('a', 2, 4) })).not.toContain('generate')
  tab.step({ kind: 'version_ready', ...announced(2) })
  expect(tab.last('generate')!.batch.version).toBe(2)
  tab.finish(tab.last('generate')!.batch)
  expect(tab.kinds({ kind: 'lease_granted', lease: leaseOf('b', 2, 4, { content: 9 }) })).not.toContain('generate')
})

test('versions announced by a trainer that resumed from a checkpoint replace those it had announced before', () => {
  const tab = Tab.working(3)
  tab.step({ kind: 'policy_announced', announced: announced(2, 1) })
  expect(tab.all('forget_version')).toEqual([{ kind: 'forget_version', ...announced(3) }])
  expect(tab.last('fetch_version')).toMatchObject(announced(2, 1))
  tab.step({ kind: 'version_ready', ...announced(2, 1) })
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 2, 1, { content: 1 }) })
  expect(tab.last('generate')!.batch.manifestHash).toBe(announced(2, 1).manifestHash)
})

test('a version announced again with other weights is fetched again, and loaded although its number was in use', () => {
  const tab = Tab.working(2)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 2, 1) })
  tab.finish(tab.last('generate')!.batch)
  tab.step({ kind: 'lease_granted', lease: leaseOf('early', 3, 1, { content: 9 }) })
  tab.step({ kind: 'policy_announced', announced: announced(2, 1) })
  expect(tab.last('forget_version')).toMatchObject(announced(2))
  tab.step({ kind: 'version_ready', ...announced(2) })
  expect(tab.state.ready).not.toContain(2)
  tab.step({ kind: 'version_ready', ...announced(2, 1) })
  tab.step({ kind: 'lease_granted', lease: leaseOf('b', 2, 1, { content: 1 }) })
  expect(tab.last('use_version')).toMatchObject(announced(2, 1))
  tab.finish(tab.last('generate')!.batch)
  tab.step({ kind: 'policy_announced', announced: announced(3) })
  expect(tab.kinds({ kind: 'version_ready', ...announced(3) })).not.toContain('generate')
})

test('a version that is dropped while its batch runs ends the batch, and is asked for anew when it comes back', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, 2) })
  const lost = tab.last('generate')!.batch
  tab.step({ kind: 'policy_announced', announced: announced(0) })
  expect(describeVolunteer(tab.state).state).toBe('waiting')
  tab.finish(lost)
  expect(tab.state.outbox.size).toBe(0)
  tab.step({ kind: 'policy_announced', announced: announced(1) })
  tab.step({ kind: 'version_ready', ...announced(1) })
  expect(tab.kinds({ kind: 'lease_granted', lease: leaseOf('b', 1, 2) })).toEqual(expect.arrayContaining(['use_version', 'generate']))
})

test('leases of two versions never share a batch', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'policy_announced', announced: announced(2) })
  tab.step({ kind: 'version_ready', ...announced(2) })
  tab.step({ kind: 'pause' })
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, 2) })
  tab.step({ kind: 'lease_granted', lease: leaseOf('b', 2, 2) })
  tab.step({ kind: 'lease_granted', lease: leaseOf('c', 1, 2) })
  tab.step({ kind: 'resume' })
  expect(tab.last('generate')!.batch.prompts.map(({ lease }) => lease)).toEqual(['a', 'c'])
})

test('a server that tells of its run while we join is not asked twice', () => {
  const tab = new Tab()
  tab.step({ kind: 'start' })
  expect(tab.kinds({ kind: 'connected' })).toEqual(['join'])
  expect(tab.kinds({ kind: 'run_described', run: RUN })).toEqual([])
})

test('old versions are forgotten, the base and those in use stay', () => {
  const tab = Tab.working(1)
  for (let version = 2; version < 12; version++) {
    tab.step({ kind: 'policy_announced', announced: announced(version) })
    tab.step({ kind: 'version_ready', ...announced(version) })
  }
  expect(tab.state.ready).toContain(0)
  expect(tab.state.ready).toContain(11)
  expect(tab.state.ready.length).toBeLessThan(7)
  expect(tab.all('forget_version').map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7].slice(0, 12 - tab.state.ready.length))
})

test('another run under the same server starts from nothing', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, 4) })
  expect(tab.kinds({ kind: 'run_described', run: 'other' })).toContain('join')
  const effects = tab.kinds({ kind: 'welcome', run: 'other', base: announced(0, 5), newest: announced(0, 5) })
  expect(effects).toEqual(expect.arrayContaining(['unload_engine', 'forget_version']))
  expect(tab.kinds({ kind: 'slice_assigned', layers: WHOLE })).toEqual(['fetch_version'])
  expect(describeVolunteer(tab.state).state).toBe('fetching')
  expect(tab.state.outbox.size).toBe(0)
})

test.each([
  ['unsupported_protocol', 'page_outdated'],
  ['bad_signature', 'refused']
] as const)('a join refused with %s stops with %s', (code, reason) => {
  const tab = new Tab()
  tab.step({ kind: 'connected' })
  tab.step({ kind: 'start' })
  tab.step({ kind: 'join_refused', code })
  expect(describeVolunteer(tab.state)).toEqual({ state: 'stopped', reason })
})

test('without a run the tab waits for one and asks again', () => {
  const tab = new Tab()
  tab.step({ kind: 'connected' })
  tab.step({ kind: 'start' })
  expect(tab.step({ kind: 'join_refused', code: 'unknown_run' })).toEqual([{ kind: 'wake_at', time: RETRY_MS }])
  expect(describeVolunteer(tab.state)).toEqual({ state: 'joining', reason: 'no_run' })
  tab.now = RETRY_MS
  expect(tab.kinds({ kind: 'wake' })).toContain('join')
  tab.step({ kind: 'join_refused', code: 'unknown_run' })
  expect(tab.kinds({ kind: 'run_described', run: RUN })).toContain('join')
})

test('other layers are loaded anew: what was held is dropped first, and the unfinished work is generated again', () => {
  const tab = Tab.working(1)
  tab.step({ kind: 'lease_granted', lease: leaseOf('a', 1, 4) })
  const effects = tab.step({ kind: 'slice_assigned', layers: { start: 0, end: 2 } })
  expect(effects.map(({ kind }) => kind)).toEqual(['unload_slice', 'tell_dropped', 'tell_dropped', 'fetch_version', 'want_work', 'wake_at'])
  expect(tab.last('want_work')).toMatchObject({ rollouts: 0 })
  tab.step({ kind: 'version_ready', ...announced(0) })
  tab.step({ kind: 'version_ready', ...announced(1) })
  expect(tab.step({ kind: 'engine_ready', rows: ROWS })).toEqual([{ kind: 'tell_ready', layers: { start: 0, end: 2 } }])
  expect(tab.openPipeline([0, 1]).map(({ kind }) => kind)).toEqual(expect.arrayContaining(['use_version', 'generate']))
  expect(tab.kinds({ kind: 'slice_assigned', layers: { start: 0, end: 2 } })).toEqual(['tell_ready'])
  expect(tab.kinds({ kind: 'slice_assigned', layers: null })).toContain('unload_engine')
  expect(describeVolunteer(tab.state)).toEqual({ state: 'waiting', reason: 'no_layers' })
})

test('a stage that is not the first computes for others and asks for no work; a first one only for versions that all stages hold', () => {
  const tab = Tab.working(2)
  tab.step({ kind: 'version_ready', ...announced(1) })
  tab.step({ kind: 'place_assigned', stage: 1, rows: ROWS })
  expect(tab.last('want_work')).toMatchObject({ rollouts: 0 })
  expect(describeVolunteer(tab.state)).toEqual({ state: 'computing', reason: null })
  tab.step({ kind: 'place_assigned', stage: 0, rows: 3 * ROWS })
  expect(describeVolunteer(tab.state)).toEqual({ state: 'waiting', reason: 'no_place' })
  tab.step({ kind: 'pipeline_open', versions: [0] })
  expect(tab.last('want_work')).toEqual({ kind: 'want_work', version: 0, rollouts: 6 * ROWS })
  tab.step({ kind: 'lease_granted', lease: leaseOf('newer', 2, 4) })
  expect(tab.all('generate')).toEqual([])
  tab.step({ kind: 'pipeline_open', versions: [2, 0] })
  expect(tab.last('generate')!.batch.version).toBe(2)
  tab.step({ kind: 'place_lost' })
  expect(tab.last('want_work')).toMatchObject({ rollouts: 0 })
  expect(describeVolunteer(tab.state).state).toBe('generating')
  tab.finish(tab.last('generate')!.batch)
  tab.step({ kind: 'people_waiting', answers: 1 })
  expect(describeVolunteer(tab.state).state).toBe('generating')
  tab.step({ kind: 'people_waiting', answers: 0 })
  expect(describeVolunteer(tab.state)).toEqual({ state: 'waiting', reason: 'no_place' })
})
