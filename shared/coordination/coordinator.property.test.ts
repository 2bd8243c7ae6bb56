import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { acceptedIn, CoordinatorTestbed, LIAR, PEERS, peer, played, type Action } from '../testing/coordinator-testbed.ts'
import { runs } from '../testing/property-runs.ts'
import { createCoordinator, type CoordinatorConfig, type CoordinatorEffect, type CoordinatorState } from './coordinator-state.ts'
import { backlog, recover } from './coordinator.ts'
import { lag } from './staleness.ts'

const who = fc.nat(PEERS - 1)
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant('join' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), who }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('refresh' as const), who }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('want' as const), who, rollouts: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('deliver' as const), who, lease: fc.nat(2), most: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deliver_late' as const), who, lease: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deliver_again' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('steal' as const), who: fc.integer({ min: 1, max: PEERS - 1 }), lease: fc.nat() }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('judge' as const), pick: fc.nat(), count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 8, arbitrary: fc.constant({ do: 'finish_step' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'disconnect' as const }) }
)
const config: fc.Arbitrary<CoordinatorConfig> = fc.record({
  stalenessBudget: fc.nat(3),
  groupsPerBatch: fc.integer({ min: 1, max: 3 }),
  groupSize: fc.integer({ min: 1, max: 3 }),
  leaseDurationMs: fc.constant(300)
})
/** Most turns of a rollout. */
const turns = fc.constantFrom(1, 1, 3)
const story = fc.array(action, { maxLength: 250, size: 'max' })
const RUNS = runs(120)

function ofKind<Kind extends CoordinatorEffect['kind']>(effects: readonly CoordinatorEffect[], kind: Kind): Extract<CoordinatorEffect, { kind: Kind }>[] {
  return effects.filter((effect): effect is Extract<CoordinatorEffect, { kind: Kind }> => effect.kind === kind)
}

describe('for any story of joining, leaving, late, repeated, stolen and false deliveries', () => {
  test('every lease ends exactly once', () => {
    fc.assert(
      fc.property(config, turns, story, (config, turns, actions) => {
        const bed = played(config, actions, turns)
        bed.input({ kind: 'closed' })
        bed.play({ do: 'wait', ms: 1000 })
        for (const lease of bed.granted) expect([lease.lease, bed.endings.get(lease.lease)]).toEqual([lease.lease, 1])
        expect(bed.endings.size).toBe(bed.granted.length)
      }),
      RUNS
    )
  })

  test('nothing is learnt from beyond the staleness budget, and in sequential mode only at lag 0', () => {
    fc.assert(
      fc.property(config, turns, story, (config, turns, actions) => {
        for (const { version, groups } of played(config, actions, turns).learnt) {
          for (const sample of groups.flatMap(group => group.samples)) {
            expect(sample.lag).toBe(lag(version, sample.version))
            expect(sample.lag).toBeGreaterThanOrEqual(0)
            expect(sample.lag).toBeLessThanOrEqual(config.stalenessBudget)
          }
        }
      }),
      RUNS
    )
  })

  test('a rollout is learnt from when all its turns were accepted, in order, and is as old as its oldest', () => {
    fc.assert(
      fc.property(config, story, (config, actions) => {
        const versions = new Map<string, number[]>()
        const wrong: unknown[] = []
        const bed = new CoordinatorTestbed(createCoordinator(config), (bed, _inputs, effects) => {
          for (const effect of effects) {
            if (effect.kind === 'rollout_outdated') versions.delete(`${effect.rollout.prompt}/${effect.rollout.index}`)
            if (effect.kind !== 'answered' || effect.verdict.outcome !== 'accepted' || !effect.first) continue
            const before = versions.get(effect.verdict.id) ?? []
            if (before.length !== effect.rollout.turn) wrong.push(effect.rollout)
            versions.set(effect.verdict.id, [...before, effect.rollout.version])
          }
          for (const { prompt, index, version, lag } of ofKind(effects, 'learn').flatMap(({ groups }) => groups.flatMap(({ samples }) => samples))) {
            const turns = versions.get(`${prompt}/${index}`)!
            if (turns.length !== bed.turnsOf(prompt, index) || Math.min(...turns) !== version || lag > config.stalenessBudget) wrong.push({ prompt, index, version, lag, turns })
          }
        }, 3)
        bed.play({ do: 'finish_step' })
        for (const next of actions) bed.play(next)
        expect(bed.workAlone(0, 2)).toBe(true)
        expect(wrong).toEqual([])
      }),
      runs(60)
    )
  })

  test('a batch is P whole groups in the order of their prompts, no prompt is ever learnt twice, and only what was accepted at that version is learnt', () => {
    fc.assert(
      fc.property(config, turns, story, (config, turns, actions) => {
        const bed = played(config, actions, turns)
        const accepted = new Set(bed.answered.flatMap(({ verdict, rollout, first }) => (verdict.outcome === 'accepted' && first ? [`${verdict.id}@${rollout.version}`] : [])))
        const prompts = bed.learnt.flatMap(({ groups }) => groups.map(group => group.prompt))
        expect(new Set(prompts).size).toBe(prompts.length)
        for (const { groups } of bed.learnt) {
          expect(groups.length).toBe(config.groupsPerBatch)
          expect(groups.map(group => group.prompt)).toEqual(groups.map(group => group.prompt).toSorted((a, b) => a - b))
          for (const group of groups) {
            expect(group.samples.map(sample => sample.index)).toEqual(Array.from({ length: config.groupSize }, (_, index) => index))
            for (const sample of group.samples) expect(accepted.has(`${sample.prompt}/${sample.index}@${sample.version}`)).toBe(true)
          }
        }
      }),
      RUNS
    )
  })

  test('the cap (S + version + 1)·B − consumed is never exceeded, and every lease could still be learnt in time', () => {
    fc.assert(
      fc.property(config, turns, story, (config, turns, actions) => {
        const { stalenessBudget, groupsPerBatch, groupSize } = config
        const bed = new CoordinatorTestbed(createCoordinator(config), ({ state }, _inputs, effects) => {
          const consumed = state.version + (state.learning === null ? 0 : 1)
          const { inFlight, buffered } = backlog(state)
          expect(inFlight + buffered).toBeLessThanOrEqual((stalenessBudget + state.version + 1 - consumed) * groupsPerBatch * groupSize)
          expect(state.lookahead).toBeGreaterThanOrEqual(groupsPerBatch)
          expect(state.lookahead).toBeLessThanOrEqual((stalenessBudget + 1) * groupsPerBatch)
          const lags = ofKind(effects, 'lease_granted').flatMap(({ samples, version }) =>
            samples.map(({ prompt }) => consumed + Math.floor(state.groups.findIndex(group => group.prompt === prompt) / groupsPerBatch) - version)
          )
          expect(Math.max(0, ...lags)).toBeLessThanOrEqual(stalenessBudget)
        }, turns)
        bed.play({ do: 'finish_step' })
        for (const next of actions) bed.play(next)
      }),
      RUNS
    )
  })

  test('a sample is leased to at most one peer at a time, and never again to one that was caught on it', () => {
    fc.assert(
      fc.property(config, turns, story, (config, turns, actions) => {
        const caught = new Set<string>()
        const bed = new CoordinatorTestbed(createCoordinator(config), ({ state }, _inputs, effects) => {
          for (const { peer, verdict } of ofKind(effects, 'answered')) if (verdict.outcome === 'rejected' && verdict.reason === 'sampling_mismatch') caught.add(`${peer} ${verdict.id}`)
          for (const { rollout } of ofKind(effects, 'rollout_outdated')) for (let who = 0; who < PEERS; who++) caught.delete(`${peer(who)} ${rollout.prompt}/${rollout.index}`)
          const waitedFor = Object.values(state.leases.leases).flatMap(lease => lease.outstanding.map(({ prompt, index }) => `${prompt}/${index}`))
          expect(new Set(waitedFor).size).toBe(waitedFor.length)
          const held = state.groups.flatMap(({ prompt, samples }) => samples.flatMap((sample, index) => (sample.kind === 'open' && sample.lease !== null ? [`${prompt}/${index}`] : [])))
          expect(held.toSorted()).toEqual(waitedFor.toSorted())
          for (const { peer, samples } of ofKind(effects, 'lease_granted')) expect(samples.filter(({ prompt, index }) => caught.has(`${peer} ${prompt}/${index}`))).toEqual([])
        }, turns)
        bed.play({ do: 'finish_step' })
        for (const next of actions) bed.play(next)
      }),
      RUNS
    )
  })

  test('only the holder of a lease is listened to, and honest peers are only refused for what others asked them', () => {
    fc.assert(
      fc.property(config, turns, story, (config, turns, actions) => {
        const bed = new CoordinatorTestbed(createCoordinator(config), (bed, [input], effects) => {
          if (input?.kind !== 'rollouts_received') return
          const holder = bed.granted.find(lease => lease.lease === input.lease)?.peer
          const remembered = Object.hasOwn(bed.state.leases.leases, input.lease)
          const heardFromStrangers = ofKind(effects, 'judge').filter(() => remembered && holder !== input.peer)
          const blamedHolders = ofKind(effects, 'answered').filter(({ verdict }) => verdict.outcome === 'rejected' && holder === input.peer && input.peer !== peer(LIAR))
          expect({ heardFromStrangers, blamedHolders }).toEqual({ heardFromStrangers: [], blamedHolders: [] })
        }, turns)
        bed.play({ do: 'finish_step' })
        for (const next of actions) bed.play(next)
      }),
      RUNS
    )
  })

  test('once a rollout is accepted, delivering it again is answered with the same verdict and counted once', () => {
    fc.assert(
      fc.property(config, turns, story, (config, turns, actions) => {
        const counted = new Map<string, number>()
        const violations: unknown[] = []
        const bed = new CoordinatorTestbed(createCoordinator(config), ({ state }, _inputs, effects) => {
          for (const { rollout } of ofKind(effects, 'rollout_outdated')) for (let turn = 0; turn < rollout.turns; turn++) counted.delete(`${rollout.prompt}/${rollout.index} turn ${turn}`)
          for (const { rollout, verdict, first } of ofKind(effects, 'answered')) {
            if (verdict.outcome === 'stale' && acceptedIn(state).some(id => id.startsWith(`${verdict.id}@`))) violations.push(verdict)
            if (verdict.outcome !== 'accepted') continue
            const name = `${verdict.id} turn ${rollout.turn}`
            const before = counted.get(name)
            violations.push(...((first ? before === undefined : before === verdict.reward) ? [] : [{ verdict, first, before }]))
            counted.set(name, verdict.reward)
          }
        }, turns)
        bed.play({ do: 'finish_step' })
        for (const next of actions) bed.play(next)
        expect(violations).toEqual([])
        const first = bed.answered.filter(({ verdict, first }) => verdict.outcome === 'accepted' && first)
        expect(bed.state.counters.accepted).toBe(first.length)
      }),
      RUNS
    )
  })

  test('with one honest peer at work the versions go on, whatever happened before', () => {
    fc.assert(
      fc.property(config, turns, story, (config, turns, actions) => {
        const bed = played(config, actions, turns)
        for (let other = 1; other < PEERS; other++) bed.play({ do: 'leave', who: other })
        bed.play({ do: 'wait', ms: 1000 })
        const oldest = bed.state.groups[0]?.prompt
        expect(bed.workAlone(0, config.stalenessBudget + 3)).toBe(true)
        expect(bed.state.groups.some(group => group.prompt === oldest)).toBe(false)
      }),
      RUNS
    )
  })

  test('going on from a snapshot equals going on', () => {
    fc.assert(
      fc.property(config, turns, story, (config, turns, actions) => {
        const bed = new CoordinatorTestbed(createCoordinator(config), bed => {
          bed.state = JSON.parse(JSON.stringify(bed.state)) as CoordinatorState
        }, turns)
        bed.play({ do: 'finish_step' })
        for (const next of actions) bed.play(next)
        const straight = played(config, actions, turns)
        expect(bed.state).toEqual(straight.state)
        expect(bed.answered).toEqual(straight.answered)
        expect(bed.granted).toEqual(straight.granted)
      }),
      runs(40)
    )
  })

  test('after a crash nothing accepted is lost, nothing learnt is learnt again, and the run goes on', () => {
    fc.assert(
      fc.property(config, turns, story, (config, turns, actions) => {
        const before = played(config, actions, turns)
        const snapshot = JSON.parse(JSON.stringify(before.state)) as CoordinatorState
        const kept = acceptedIn(snapshot)
        recover(snapshot)
        expect(acceptedIn(snapshot)).toEqual(kept)
        const bed = new CoordinatorTestbed(snapshot, undefined, turns)
        const learntBefore = before.learnt.slice(0, snapshot.version).flatMap(({ groups }) => groups.map(group => group.prompt))
        expect(bed.workAlone(0, 2)).toBe(true)
        const learntAfter = bed.learnt.flatMap(({ groups }) => groups.map(group => group.prompt))
        expect(learntAfter.filter(prompt => learntBefore.includes(prompt))).toEqual([])
      }),
      RUNS
    )
  })
})
