import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { announced, leaseOf, rolloutsOf, ROWS, RUN, Tab, WHOLE } from '../testing/volunteer-testbed.ts'
import type { Batch } from './lease-queue.ts'
import type { VolunteerEffect, VolunteerInput } from './volunteer-state.ts'

/** Inputs that a page, a server and a person could bring about at any moment; versions and leases refer to few so that they meet. */
const version = fc.integer({ min: 0, max: 4 })
const anyInput: fc.Arbitrary<VolunteerInput | { readonly kind: 'finish_some'; readonly share: number } | { readonly kind: 'fetch_done' } | { readonly kind: 'fetch_fails' } | { readonly kind: 'engine_loads' } | { readonly kind: 'engine_is_away' } | { readonly kind: 'later'; readonly by: number }> = fc.oneof(
  fc.constantFrom('start', 'stop', 'connected', 'disconnected').map(kind => ({ kind }) as VolunteerInput),
  fc.constantFrom('pause', 'resume', 'engine_crashed', 'not_joined', 'join_unanswered', 'wake').map(kind => ({ kind }) as VolunteerInput),
  { weight: 3, arbitrary: version.map(newest => ({ kind: 'welcome', run: RUN, base: announced(0), newest: announced(newest) }) as const) },
  version.map(newest => ({ kind: 'policy_announced', announced: announced(newest) }) as const),
  { weight: 4, arbitrary: fc.tuple(fc.nat(9), version, fc.integer({ min: 1, max: 12 })).map(([id, of, samples]) => ({ kind: 'lease_granted', lease: leaseOf(`l${id}`, of, samples, { prompts: 2 }) }) as const) },
  { weight: 4, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }).map(share => ({ kind: 'finish_some', share }) as const) },
  { weight: 4, arbitrary: fc.constant({ kind: 'fetch_done' } as const) },
  { weight: 4, arbitrary: fc.constant({ kind: 'engine_loads' } as const) },
  fc.constantFrom('fetch_fails', 'engine_is_away').map(kind => ({ kind }) as const),
  { weight: 3, arbitrary: fc.constantFrom(WHOLE, WHOLE, WHOLE, { start: 0, end: 1 }, null).map(layers => ({ kind: 'slice_assigned', layers }) as const) },
  { weight: 3, arbitrary: fc.constantFrom(0, 0, 0, 1).map(stage => ({ kind: 'place_assigned', stage, rows: ROWS }) as const) },
  { weight: 4, arbitrary: fc.uniqueArray(version, { minLength: 2, maxLength: 5 }).map(versions => ({ kind: 'pipeline_open', versions }) as const) },
  fc.constant({ kind: 'place_lost' } as const),
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
          if (effect.kind === 'load_engine' || effect.kind === 'unload_engine' || effect.kind === 'unload_slice') {
            running = []
            inUse = undefined
          }
          if (effect.kind === 'abandon_batches') running = []
          if (effect.kind === 'forget_version') running = running.filter(batch => batch.version !== effect.version)
          if (effect.kind === 'forget_version' && effect.manifestHash === inUse) inUse = undefined
          if (effect.kind === 'generate') {
            must(tab.state.place?.stage === 0 && tab.state.place.versions.includes(effect.batch.version), 'a batch is generated where every stage holds its version')
            must(effect.batch.manifestHash === inUse, 'a batch is generated with its version')
            must(effect.batch.manifestHash === tab.state.announced.get(effect.batch.version), 'a batch is of an announced version')
            running.push(effect.batch)
            const live = running.flatMap(rolloutsOf).filter(({ lease, rollout }) => !done.has(`${lease}/${rollout.id}`))
            must(live.length <= ROWS, 'no more samples than rows')
          }
          if (effect.kind === 'want_work') must(effect.rollouts === 0 || (tab.state.ready.includes(effect.version) && tab.state.place?.versions.includes(effect.version) === true), 'work is wanted for a version that is here and at every stage')
        }
      }
      for (const input of inputs) {
        if (input.kind === 'later') tab.now += input.by
        else if (input.kind === 'fetch_done') {
          const { fetching } = tab.state
          if (fetching !== null) observe(tab.step({ kind: 'version_ready', version: fetching, manifestHash: tab.state.announced.get(fetching)! }))
        } else if (input.kind === 'fetch_fails') {
          const { fetching, newest, run } = tab.state
          if (fetching === null) continue
          observe(tab.step({ kind: 'version_unavailable', version: fetching, manifestHash: tab.state.announced.get(fetching)! }))
          must(tab.state.fetching !== fetching || fetching === newest || fetching === run!.base.version, 'what is gone for good is not waited for')
        } else if (input.kind === 'engine_is_away') {
          if (tab.state.engine === 'loading') observe(tab.step({ kind: 'engine_unreachable' }))
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
        const { stopped, run, layers, fetching, ready, newest } = tab.state
        if (stopped === null && run !== null && layers) must(fetching !== null || [run.base.version, newest].every(version => ready.includes(version)), 'what is missing is being fetched')
        if (tab.state.online && tab.state.joined && tab.state.stopped === null && tab.state.retryAt === null) {
          must([...tab.state.outbox.values()].every(({ sent }) => sent), 'nothing unsent while joined')
        }
      }
    })
  const found = fc.check(stories, runs(400))
  expect(fc.defaultReportMessage(found)).toBeUndefined()
})
