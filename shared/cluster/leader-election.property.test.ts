import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRng } from '../random/rng.ts'
import { runs } from '../testing/property-runs.ts'
import { createElection, leads, stepElection, type ElectionEffect, type ElectionInput, type ElectionState } from './leader-election.ts'

const OPTIONS = { leaseMs: 3_000, renewEveryMs: 1_000, drift: 0.01 }

/** A store as Redis is: one lease that ends by the store's clock, and forgets everything when it restarts. */
class Store {
  #lease: { holder: string; until: number } | undefined

  ask(leadership: string, mayTake: boolean, now: number): string | null {
    if (this.#lease !== undefined && this.#lease.until <= now) this.#lease = undefined
    if (this.#lease === undefined && mayTake) this.#lease = { holder: leadership, until: 0 }
    if (this.#lease?.holder === leadership) this.#lease.until = now + OPTIONS.leaseMs
    return this.#lease?.holder ?? null
  }

  release(leadership: string): void {
    if (this.#lease?.holder === leadership) this.#lease = undefined
  }

  restart(): void {
    this.#lease = undefined
  }
}

interface Member {
  readonly state: ElectionState
  /** Local milliseconds for each true one, and what the clock showed at first. */
  readonly rate: number
  readonly offset: number
  /** In true time: it does nothing before. */
  stoodStillUntil: number
  wakeAt: number
  /** Its connection to the store, which ends with every restart of that; and the one that it knows of. */
  connection: number
  knownConnection: number
  readonly log: ElectionEffect[]
}

/**
 * Servers with clocks of their own, a store, and messages between them that take any time and overtake each other, or are lost.
 * @returns what happened, by true time
 */
function simulate(seed: number, { servers, until, faults }: { readonly servers: number; readonly until: number; readonly faults: boolean }) {
  const rng = createRng(seed)
  const store = new Store()
  const members: Member[] = Array.from({ length: servers }, (_, index) => ({
    state: createElection({ ...OPTIONS, server: `s${index}` }),
    rate: 1 + (rng.below(2001) - 1000) * (OPTIONS.drift / 2 / 1000),
    offset: rng.below(1_000_000),
    stoodStillUntil: 0,
    wakeAt: Infinity,
    connection: 0,
    knownConnection: 0,
    log: []
  }))
  const events: { time: number; act: (time: number) => void }[] = []
  const at = (time: number, act: (time: number) => void): void => void events.push({ time, act })
  const localTime = ({ rate, offset }: Member, time: number): number => offset + time * rate
  const delay = (): number => (rng.below(5) === 0 ? rng.below(4_000) : rng.below(20))
  const overlaps: string[] = []
  let led = 0

  const give = (member: Member, input: ElectionInput, time: number, connection = member.knownConnection): void => {
    // A process that stands still hears everything afterwards.
    if (time < member.stoodStillUntil) return at(member.stoodStillUntil, later => give(member, input, later, connection))
    member.knownConnection = Math.max(member.knownConnection, connection)
    for (const effect of stepElection(member.state, input, { now: localTime(member, time) })) {
      member.log.push(effect)
      if (effect.kind === 'wake_at') {
        member.wakeAt = effect.time
        const due = Math.max(time, (effect.time - member.offset) / member.rate) + (faults ? rng.below(50) : 0)
        at(due + 0.001, later => {
          if (member.wakeAt === effect.time) give(member, { kind: 'wake' }, later)
        })
      } else if (effect.kind === 'release') {
        if (!faults || rng.below(3) > 0) at(time + delay(), () => store.release(effect.leadership))
      } else if (effect.kind === 'ask') {
        const { knownConnection } = member
        const isLost = faults && rng.below(10) === 0
        at(time + delay(), heard => {
          if (knownConnection !== member.connection) return
          const holder = store.ask(effect.leadership, effect.mayTake, heard)
          at(heard + delay(), later => give(member, isLost ? { kind: 'failed', id: effect.id } : { kind: 'answered', id: effect.id, holder }, later))
        })
      }
    }
  }
  const restart = (time: number): void => {
    store.restart()
    for (const member of members) {
      const connection = ++member.connection
      at(time + delay(), lost => {
        give(member, { kind: 'disconnected' }, lost)
        at(lost + rng.below(200), back => give(member, { kind: 'connected' }, back, connection))
      })
    }
  }

  for (const member of members) at(rng.below(2_000), time => give(member, { kind: 'connected' }, time))
  if (faults) {
    for (let count = 0; count < 6; count++) {
      at(rng.below(until), time => void (members[rng.below(servers)]!.stoodStillUntil = time + rng.below(8_000)))
      at(rng.below(until), time => give(members[rng.below(servers)]!, { kind: 'resign' }, time))
    }
    for (let count = 0; count < 3; count++) at(rng.below(until), restart)
    for (let count = 0; count < 6; count++) {
      at(rng.below(until), time => {
        const member = members[rng.below(servers)]!
        give(member, { kind: 'disconnected' }, time)
        at(time + rng.below(2_000), back => give(member, { kind: 'connected' }, back))
      })
    }
  }
  for (;;) {
    let next = 0
    for (let index = 1; index < events.length; index++) if (events[index]!.time < events[next]!.time) next = index
    if (events.length === 0 || events[next]!.time > until) break
    const [{ time, act }] = events.splice(next, 1) as [(typeof events)[number]]
    act(time)
    const leaders = members.filter(member => leads(member.state, localTime(member, time)))
    led = Math.max(led, leaders.length)
    if (leaders.length > 1) overlaps.push(`${time}: ${leaders.map(({ state }) => state.options.server).join(' and ')}`)
  }
  return { members, overlaps, led }
}

test('never do two servers lead at the same time, whatever is lost, late or standing still', () => {
  let everLed = 0
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.integer({ min: 2, max: 4 }), (seed, servers) => {
      const { overlaps, led } = simulate(seed, { servers, until: 60_000, faults: true })
      everLed += led
      expect(overlaps).toEqual([])
    }),
    runs(150)
  )
  expect(everLed).toBeGreaterThan(100)
})

test('without faults one leads before long, all others follow it, and it goes on leading', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.integer({ min: 1, max: 4 }), (seed, servers) => {
      const { members } = simulate(seed, { servers, until: 40_000, faults: false })
      const terms = members.flatMap(({ log }) => log.filter(({ kind }) => kind === 'lead'))
      const stepped = members.flatMap(({ log }) => log.filter(({ kind }) => kind === 'step_down'))
      expect(terms.length - stepped.length).toBeLessThanOrEqual(1)
      expect(terms.length).toBeGreaterThan(0)
      expect(members.filter(({ state }) => state.following === undefined && state.until === undefined).length).toBeLessThanOrEqual(terms.length > 1 ? servers : 0)
    }),
    runs(50)
  )
})

const leader = (): ElectionState => {
  const state = createElection({ ...OPTIONS, server: 'a' })
  stepElection(state, { kind: 'connected' }, { now: 0 })
  stepElection(state, { kind: 'answered', id: 1, holder: null }, { now: 1 })
  expect(stepElection(state, { kind: 'wake' }, { now: 3_030 })).toContainEqual({ kind: 'ask', id: 2, leadership: 'a/1', mayTake: true })
  expect(stepElection(state, { kind: 'answered', id: 2, holder: 'a/1' }, { now: 3_031 })).toContainEqual({ kind: 'lead', leadership: 'a/1' })
  return state
}

test('a lease that ended while the server stood still ends its leadership before anything else', () => {
  const state = leader()
  expect(leads(state, 5_999)).toBe(true)
  expect(leads(state, 6_000)).toBe(false)
  expect(stepElection(state, { kind: 'wake' }, { now: 9_000 }).map(({ kind }) => kind)).toEqual(['step_down', 'release', 'ask'])
})

test('a server that hears that its lease is gone, or another’s, stops deciding at once', () => {
  for (const holder of [null, 'b/1']) {
    const state = leader()
    expect(stepElection(state, { kind: 'wake' }, { now: 4_031 })).toContainEqual({ kind: 'ask', id: 3, leadership: 'a/1', mayTake: false })
    expect(stepElection(state, { kind: 'answered', id: 3, holder }, { now: 4_032 }).map(({ kind }) => kind)).toContain('step_down')
    expect(leads(state, 4_032)).toBe(false)
  }
})
