import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Lease } from '../protocol/lease.ts'
import type { Rollout } from '../protocol/rollout.ts'
import type { Batch } from './lease-queue.ts'
import { describeVolunteer, RETRY_MS, stepVolunteer } from './volunteer.ts'
import { createVolunteer, type AnnouncedVersion, type FinishedRollout, type VolunteerEffect, type VolunteerInput } from './volunteer-state.ts'

const ROWS = 8
const RUN = 'run'

const announced = (version: number, content = 0): AnnouncedVersion => ({ version, manifestHash: `${version}${content}`.padStart(64, '0') })

function leaseOf(id: string, version: number, samples: number, { prompts = 1, durationMs = 60_000, content = 0 } = {}): Lease {
  return {
    id,
    run: RUN,
    version,
    manifestHash: announced(version, content).manifestHash,
    maxTokens: 8,
    durationMs,
    prompts: Array.from({ length: prompts }, (_, prompt) => ({ prompt, tokens: [1], samples: Array.from({ length: samples }, (_, index) => ({ index, seed: 'f'.repeat(64) })) }))
  }
}

function rolloutsOf(batch: Batch): FinishedRollout[] {
  return batch.prompts.flatMap(({ lease, prompt, samples }) =>
    samples.map(({ index, seed }): FinishedRollout => {
      const rollout: Rollout = { id: `${prompt}/${index}`, version: batch.version, manifestHash: batch.manifestHash, prompt, index, seed, tokens: [3], logProbs: [-1], finish: 'length' }
      return { lease, rollout }
    })
  )
}

/** A tab with a page that does at once what it is told, except what the test holds back. */
class Tab {
  readonly state = createVolunteer()
  readonly effects: VolunteerEffect[] = []
  now = 0

  step(input: VolunteerInput): VolunteerEffect[] {
    const effects = stepVolunteer(this.state, input, { now: this.now })
    this.effects.push(...effects)
    return effects
  }

  kinds(input: VolunteerInput): string[] {
    return this.step(input).map(({ kind }) => kind)
  }

  last<Kind extends VolunteerEffect['kind']>(kind: Kind): Extract<VolunteerEffect, { kind: Kind }> | undefined {
    return this.effects.findLast((effect): effect is Extract<VolunteerEffect, { kind: Kind }> => effect.kind === kind)
  }

  all<Kind extends VolunteerEffect['kind']>(kind: Kind): Extract<VolunteerEffect, { kind: Kind }>[] {
    return this.effects.filter((effect): effect is Extract<VolunteerEffect, { kind: Kind }> => effect.kind === kind)
  }

  /** Up to asking for work of `newest`. */
  static working(newest = 0): Tab {
    const tab = new Tab()
    tab.step({ kind: 'connected' })
    tab.step({ kind: 'start' })
    tab.step({ kind: 'welcome', run: RUN, base: announced(0), newest: announced(newest) })
    tab.step({ kind: 'version_ready', ...announced(0) })
    if (newest > 0) tab.step({ kind: 'version_ready', ...announced(newest) })
    tab.step({ kind: 'engine_ready', rows: ROWS })
    return tab
  }

  finish(batch: Batch): void {
    this.step({ kind: 'rollouts_finished', batch: batch.id, rollouts: rolloutsOf(batch) })
    this.step({ kind: 'batch_ended', batch: batch.id })
  }
}

test('nothing happens before the person starts it, and then it joins, fetches, tests and asks for work', () => {
  const tab = new Tab()
  expect(tab.step({ kind: 'connected' })).toEqual([])
  expect(tab.step({ kind: 'lease_granted', lease: leaseOf('a', 0, 4) })).toEqual([])
  expect(describeVolunteer(tab.state)).toEqual({ state: 'stopped', reason: 'not_started' })
  expect(tab.kinds({ kind: 'start' })).toEqual(['join'])
  expect(describeVolunteer(tab.state).state).toBe('joining')
  expect(tab.kinds({ kind: 'welcome', run: RUN, base: announced(0), newest: announced(2) })).toEqual(['fetch_version'])
  expect(describeVolunteer(tab.state).state).toBe('fetching')
  expect(tab.kinds({ kind: 'version_ready', ...announced(0) })).toEqual(['tell_held', 'fetch_version', 'load_engine'])
  expect(describeVolunteer(tab.state).state).toBe('testing')
  expect(tab.kinds({ kind: 'engine_ready', rows: ROWS })).toEqual([])
  expect(describeVolunteer(tab.state).state).toBe('fetching')
  tab.step({ kind: 'version_ready', ...announced(2) })
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
  expect(tab.last('use_version')).toMatchObject({ version: 1 })
  expect(tab.last('generate')!.batch.prompts[0]!.samples.map(({ index }) => index)).toEqual([1, 2, 3])
  expect(tab.kinds({ kind: 'engine_crashed' })).toEqual(expect.arrayContaining(['leave']))
  expect(describeVolunteer(tab.state)).toEqual({ state: 'stopped', reason: 'engine_failed' })
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
  expect(effects).toEqual(expect.arrayContaining(['unload_engine', 'forget_version', 'fetch_version']))
  expect(describeVolunteer(tab.state).state).toBe('fetching')
  expect(tab.state.outbox.size).toBe(0)
})

test.each([
  ['unsupported_protocol', 'page_outdated'],
  ['peer_id_taken', 'refused'],
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

/** Inputs that a page, a server and a person could bring about at any moment; versions and leases refer to few so that they meet. */
const version = fc.integer({ min: 0, max: 4 })
const anyInput: fc.Arbitrary<VolunteerInput | { readonly kind: 'finish_some'; readonly share: number } | { readonly kind: 'fetch_done' } | { readonly kind: 'engine_loads' } | { readonly kind: 'later'; readonly by: number }> = fc.oneof(
  fc.constantFrom('start', 'stop', 'connected', 'disconnected').map(kind => ({ kind }) as VolunteerInput),
  fc.constantFrom('pause', 'resume', 'engine_crashed', 'not_joined', 'join_unanswered', 'wake').map(kind => ({ kind }) as VolunteerInput),
  { weight: 3, arbitrary: version.map(newest => ({ kind: 'welcome', run: RUN, base: announced(0), newest: announced(newest) }) as const) },
  version.map(newest => ({ kind: 'policy_announced', announced: announced(newest) }) as const),
  { weight: 4, arbitrary: fc.tuple(fc.nat(9), version, fc.integer({ min: 1, max: 12 })).map(([id, of, samples]) => ({ kind: 'lease_granted', lease: leaseOf(`l${id}`, of, samples, { prompts: 2 }) }) as const) },
  { weight: 4, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }).map(share => ({ kind: 'finish_some', share }) as const) },
  { weight: 4, arbitrary: fc.constant({ kind: 'fetch_done' } as const) },
  { weight: 4, arbitrary: fc.constant({ kind: 'engine_loads' } as const) },
  fc.integer({ min: 1, max: 40_000 }).map(by => ({ kind: 'later', by }) as const),
  fc.tuple(fc.nat(20), fc.constantFrom('no_trainer', 'not_joined', 'malformed')).map(([submission, code]) => ({ kind: 'submission_refused', submission, code }) as VolunteerInput),
  fc.nat(20).map(submission => ({ kind: 'verdicts', submission, verdicts: [] }) as VolunteerInput)
)

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`broken: ${what}`)
}

test('whatever happens: one version at a time, never more rows than the engine has, only versions that are here, and every rollout reaches the outbox', () => {
  const stories = fc.property(fc.array(anyInput, { minLength: 10, maxLength: 120 }), inputs => {
      const tab = new Tab()
      tab.step({ kind: 'connected' })
      tab.step({ kind: 'start' })
      let inUse: string | undefined
      let running: Batch[] = []
      const done = new Set<string>()
      const observe = (effects: VolunteerEffect[]): void => {
        for (const effect of effects) {
          if (effect.kind === 'use_version') {
            must(running.length === 0, 'the version is swapped while nothing runs')
            inUse = effect.manifestHash
          }
          if (effect.kind === 'load_engine' || effect.kind === 'unload_engine') {
            running = []
            inUse = undefined
          }
          if (effect.kind === 'abandon_batches') running = []
          if (effect.kind === 'generate') {
            must(effect.batch.manifestHash === inUse, 'a batch is generated with its version')
            must(effect.batch.manifestHash === tab.state.announced.get(effect.batch.version), 'a batch is of an announced version')
            running.push(effect.batch)
            const live = running.flatMap(rolloutsOf).filter(({ lease, rollout }) => !done.has(`${lease}/${rollout.id}`))
            must(live.length <= ROWS, 'no more samples than rows')
          }
          if (effect.kind === 'want_work') must(effect.rollouts === 0 || tab.state.ready.includes(effect.version), 'work is wanted for a version that is here')
        }
      }
      for (const input of inputs) {
        if (input.kind === 'later') tab.now += input.by
        else if (input.kind === 'fetch_done') {
          const { fetching } = tab.state
          if (fetching !== null) observe(tab.step({ kind: 'version_ready', version: fetching, manifestHash: tab.state.announced.get(fetching)! }))
        } else if (input.kind === 'engine_loads') {
          if (tab.state.engine === 'loading') observe(tab.step({ kind: 'engine_ready', rows: ROWS }))
        } else if (input.kind === 'finish_some') {
          const [batch] = running
          if (batch === undefined || tab.state.paused) continue
          const left = rolloutsOf(batch).filter(({ lease, rollout }) => !done.has(`${lease}/${rollout.id}`))
          const some = left.slice(0, Math.ceil(left.length * input.share))
          for (const { lease, rollout } of some) done.add(`${lease}/${rollout.id}`)
          observe(tab.step({ kind: 'rollouts_finished', batch: batch.id, rollouts: some }))
          const kept = [...tab.state.outbox.values()].flatMap(({ submission }) => submission.rollouts.map(({ id }) => `${submission.lease}/${id}`))
          must(some.every(({ lease, rollout }) => kept.includes(`${lease}/${rollout.id}`)), 'a finished rollout is in the outbox')
          if (some.length === left.length) {
            running = running.filter(other => other !== batch)
            for (const { lease, rollout } of rolloutsOf(batch)) done.delete(`${lease}/${rollout.id}`)
            observe(tab.step({ kind: 'batch_ended', batch: batch.id }))
          }
        } else {
          if (input.kind === 'engine_crashed') {
            if (tab.state.engine === 'none') continue
            running = []
          }
          const before = tab.state.stopped
          const effects = tab.step(input)
          observe(effects)
          if (tab.state.stopped !== null && before === null) {
            running = []
            must(effects.some(({ kind }) => kind === 'leave'), 'whoever stops leaves')
          }
        }
        if (running.length === 0) done.clear()
        must(tab.state.running.map(({ id }) => id).join() === running.map(({ id }) => id).join(), 'the machine knows what the engine runs')
        if (tab.state.online && tab.state.joined && tab.state.stopped === null && tab.state.retryAt === null) {
          must([...tab.state.outbox.values()].every(({ sent }) => sent), 'nothing unsent while joined')
        }
      }
    })
  expect(() => fc.assert(stories, { numRuns: 400 })).not.toThrow()
})
