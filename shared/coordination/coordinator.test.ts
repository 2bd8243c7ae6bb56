import { describe, expect, test } from 'vitest'
import { acceptedIn, CoordinatorTestbed, LIAR, peer, played } from '../testing/coordinator-testbed.ts'
import { createCoordinator, type CoordinatorState } from './coordinator-state.ts'
import { backlog, recover, step } from './coordinator.ts'
import { rewindCoordinator } from './rewind.ts'
import type { TurnKey } from './lease-table.ts'

function firstTurn(prompt: number, index: number): TurnKey {
  return { prompt, index, turn: 0, attempt: 0 }
}

describe('a peer that lies', () => {
  test('gets no more leases after its third rejection, and what it held is leased to others', () => {
    const bed = played({ stalenessBudget: 1, groupsPerBatch: 2, groupSize: 4, leaseDurationMs: 300 }, [])
    bed.play({ do: 'join', who: LIAR })
    bed.play({ do: 'want', who: LIAR, rollouts: 8 })
    bed.play({ do: 'deliver', who: LIAR, lease: 0, most: 3 })
    for (let judged = 0; judged < 3; judged++) bed.play({ do: 'judge', pick: 0, count: 1 })
    bed.play({ do: 'want', who: LIAR, rollouts: 8 })
    expect(bed.granted.map(lease => lease.peer)).toEqual([peer(LIAR)])
    expect([...bed.endings]).toEqual([[bed.granted[0]!.lease, 1]])
    expect(bed.state.counters.rejected).toEqual({ sampling_mismatch: 3 })
    expect(bed.workAlone(0, 1)).toBe(true)
  })

  test('does not get the sample again on which it was caught; an honest peer does', () => {
    const bed = played({ stalenessBudget: 0, groupsPerBatch: 1, groupSize: 1, leaseDurationMs: 300 }, [
      { do: 'want', who: LIAR, rollouts: 1 },
      { do: 'deliver', who: LIAR, lease: 0, most: 1 },
      { do: 'judge', pick: 0, count: 1 },
      { do: 'want', who: LIAR, rollouts: 1 },
      { do: 'want', who: 0, rollouts: 1 }
    ])
    expect(bed.granted.map(({ peer, samples }) => [peer, samples])).toEqual([
      [peer(LIAR), [firstTurn(0, 0)]],
      [peer(0), [firstTurn(0, 0)]]
    ])
  })

  test('that delivers again under its next lease what it was caught on blocks nobody else', () => {
    const bed = played({ stalenessBudget: 0, groupsPerBatch: 1, groupSize: 1, leaseDurationMs: 300 }, [
      { do: 'want', who: LIAR, rollouts: 1 },
      { do: 'wait', ms: 300 },
      { do: 'want', who: LIAR, rollouts: 1 },
      { do: 'steal', who: LIAR, lease: 0 },
      { do: 'judge', pick: 0, count: 1 },
      { do: 'deliver', who: LIAR, lease: 0, most: 1 },
      { do: 'want', who: 0, rollouts: 1 }
    ])
    expect(bed.granted.map(({ peer, samples }) => [peer, samples])).toEqual([LIAR, LIAR, 0].map(who => [peer(who), [firstTurn(0, 0)]]))
  })

  test('cannot claim another version than it was asked for', () => {
    const bed = played({ stalenessBudget: 2, groupsPerBatch: 1, groupSize: 2, leaseDurationMs: 300 }, [{ do: 'want', who: 0, rollouts: 2 }])
    bed.input({ kind: 'rollouts_received', ticket: 0, peer: peer(0), lease: bed.granted[0]!.lease, rollouts: [{ prompt: 0, index: 0, turn: 0, version: 1 }] })
    expect(bed.answered.map(({ verdict }) => verdict)).toEqual([{ id: '0/0', outcome: 'rejected', reason: 'wrong_version' }])
  })

  test('cannot buy itself free by leaving and joining again', () => {
    const bed = played({ stalenessBudget: 1, groupsPerBatch: 2, groupSize: 4, leaseDurationMs: 300 }, [])
    bed.play({ do: 'want', who: LIAR, rollouts: 8 })
    bed.play({ do: 'deliver', who: LIAR, lease: 0, most: 3 })
    for (let judged = 0; judged < 3; judged++) bed.play({ do: 'judge', pick: 0, count: 1 })
    bed.play({ do: 'leave', who: LIAR })
    bed.play({ do: 'join', who: LIAR })
    bed.play({ do: 'want', who: LIAR, rollouts: 8 })
    expect(bed.granted.length).toBe(1)
  })
})

describe('late results', () => {
  const config = { stalenessBudget: 4, groupsPerBatch: 1, groupSize: 2, leaseDurationMs: 300 }

  test('of a former holder win when nobody was faster; the present holder is then told the same verdict', () => {
    const bed = played(config, [
      { do: 'want', who: 0, rollouts: 2 },
      { do: 'wait', ms: 301 },
      { do: 'want', who: 1, rollouts: 2 },
      { do: 'deliver_late', who: 0, lease: 0 },
      { do: 'judge', pick: 0, count: 2 }
    ])
    expect(bed.granted.map(({ lease }) => bed.endings.get(lease))).toEqual([1, 1])
    bed.play({ do: 'deliver_late', who: 1, lease: 0 })
    expect(bed.granted.map(({ peer, samples }) => [peer, samples])).toEqual([
      [peer(0), [firstTurn(0, 0), firstTurn(0, 1)]],
      [peer(1), [firstTurn(0, 0), firstTurn(0, 1)]]
    ])
    expect(bed.answered.map(({ peer, verdict, first }) => [peer, verdict.id, verdict.outcome, first])).toEqual([
      [peer(0), '0/0', 'accepted', true],
      [peer(0), '0/1', 'accepted', true],
      [peer(1), '0/0', 'accepted', false],
      [peer(1), '0/1', 'accepted', false]
    ])
    expect(bed.learnt.length).toBe(1)
  })

  test('of a lease that was never granted are refused; those of a forgotten one are stale, which is nobody’s fault', () => {
    const state = createCoordinator({ ...config, stalenessBudget: 0 })
    const bed = new CoordinatorTestbed(state)
    const submit = (lease: string) => bed.input({ kind: 'rollouts_received', ticket: 0, peer: peer(0), lease, rollouts: [{ prompt: 0, index: 0, turn: 0, version: 0 }] })
    submit('l0-0')
    expect(bed.answered.at(-1)?.verdict).toEqual({ id: '0/0', outcome: 'rejected', reason: 'unknown_lease' })
    bed.play({ do: 'want', who: 1, rollouts: 2 })
    bed.play({ do: 'wait', ms: 301 })
    expect(bed.workAlone(2, 2)).toBe(true)
    bed.input({ kind: 'rollouts_received', ticket: 0, peer: peer(1), lease: 'l0-0', rollouts: [{ prompt: 70, index: 0, turn: 0, version: 0 }] })
    expect(bed.answered.at(-1)?.verdict).toEqual({ id: '70/0', outcome: 'stale' })
  })
})

describe('a rollout of several turns', () => {
  const config = { stalenessBudget: 1, groupsPerBatch: 1, groupSize: 1, leaseDurationMs: 300 }
  /** Prompts 0, 1 and 2 take 1, 2 and 3 turns. Peer 1 holds the second turn of prompt 1 at version 1, whose first turn is of version 0. */
  const halfway = (): CoordinatorTestbed => {
    const bed = played(config, [], 3)
    const work = (who: number): void => {
      bed.play({ do: 'refresh', who })
      bed.play({ do: 'want', who, rollouts: 1 })
      bed.play({ do: 'deliver', who, lease: 0, most: 1 })
      bed.play({ do: 'judge', pick: 0, count: 1 })
    }
    bed.play({ do: 'want', who: 0, rollouts: 1 })
    work(1)
    bed.play({ do: 'deliver', who: 0, lease: 0, most: 1 })
    bed.play({ do: 'judge', pick: 0, count: 1 })
    bed.play({ do: 'finish_step' })
    bed.play({ do: 'refresh', who: 1 })
    bed.play({ do: 'want', who: 1, rollouts: 1 })
    expect(bed.granted.at(-1)).toMatchObject({ peer: peer(1), version: 1, samples: [{ prompt: 1, index: 0, turn: 1, attempt: 0 }] })
    for (let turn = 0; turn < 3; turn++) work(0)
    bed.play({ do: 'finish_step' })
    return bed
  }

  test('whose oldest turn became too old begins anew, and is leased again from its first', () => {
    const bed = halfway()
    expect(bed.learnt.map(({ groups }) => groups.map(({ prompt }) => prompt))).toEqual([[0], [2]])
    expect(bed.outdated).toEqual([{ prompt: 1, index: 0, turns: 1 }])
    bed.play({ do: 'refresh', who: 0 })
    bed.play({ do: 'want', who: 0, rollouts: 1 })
    expect(bed.granted.at(-1)).toMatchObject({ version: 2, samples: [{ prompt: 1, index: 0, turn: 0, attempt: 1 }] })
  })

  test('tells who still works on the attempt before that it is stale: its words follow others', () => {
    const bed = halfway()
    bed.play({ do: 'refresh', who: 0 })
    bed.play({ do: 'want', who: 0, rollouts: 1 })
    bed.play({ do: 'deliver', who: 0, lease: 0, most: 1 })
    bed.play({ do: 'judge', pick: 0, count: 1 })
    expect(bed.state.groups[0]!.samples[0]).toMatchObject({ kind: 'open', attempt: 1, turns: [{ version: 2 }], judging: 0 })
    bed.play({ do: 'deliver_late', who: 1, lease: 1 })
    expect(bed.answered.at(-1)).toMatchObject({ peer: peer(1), rollout: { turn: 1, version: 1 }, verdict: { id: '1/0', outcome: 'stale' } })
    expect(bed.state.groups[0]!.samples[0]).toMatchObject({ turns: [{ version: 2 }], judging: 0 })
  })
})

describe('a peer that lets its lease expire', () => {
  test('gets nothing more until it asks again, although it had wished for more', () => {
    const bed = played({ stalenessBudget: 0, groupsPerBatch: 1, groupSize: 2, leaseDurationMs: 300 }, [
      { do: 'want', who: 0, rollouts: 9 },
      { do: 'wait', ms: 301 }
    ])
    expect(bed.granted.length).toBe(1)
    bed.play({ do: 'want', who: 0, rollouts: 9 })
    expect(bed.granted.length).toBe(2)
  })
})

describe('after a crash', () => {
  const config = { stalenessBudget: 1, groupsPerBatch: 1, groupSize: 2, leaseDurationMs: 300 }

  test('what was leased after the last snapshot is stale rather than an offence, and nobody is served before they ask', () => {
    const bed = played(config, [{ do: 'want', who: 0, rollouts: 9 }])
    const snapshot = JSON.parse(JSON.stringify(bed.state)) as CoordinatorState
    bed.play({ do: 'want', who: 1, rollouts: 9 })
    recover(snapshot)
    const restarted = new CoordinatorTestbed(snapshot)
    restarted.input({ kind: 'learner_free' })
    expect(restarted.granted).toEqual([])
    restarted.input({ kind: 'rollouts_received', ticket: 0, peer: peer(1), lease: `l0-${snapshot.leases.next}`, rollouts: [{ prompt: 9, index: 0, turn: 0, version: 0 }] })
    expect(restarted.answered.map(({ verdict }) => verdict)).toEqual([{ id: '9/0', outcome: 'stale' }])
  })

  test('that damaged the newest checkpoints, what they sampled is leased again, late results of theirs are stale, and the run goes on', () => {
    const bed = played({ ...config, stalenessBudget: 2 }, [])
    expect(bed.workAlone(0, 2)).toBe(true)
    bed.play({ do: 'finish_step' })
    bed.play({ do: 'refresh', who: 0 })
    bed.play({ do: 'want', who: 0, rollouts: 3 })
    for (const lease of [0, 1]) bed.play({ do: 'deliver', who: 0, lease, most: 1 })
    bed.play({ do: 'judge', pick: 0, count: 2 })
    const lost = bed.granted.at(-1)!
    const missing = bed.state.leases.leases[lost.lease]!.outstanding[0]!
    const snapshot = JSON.parse(JSON.stringify(bed.state)) as CoordinatorState
    expect(acceptedIn(snapshot).filter(id => id.endsWith('@3'))).not.toEqual([])
    recover(snapshot)
    rewindCoordinator(snapshot, 1)
    expect(acceptedIn(snapshot).filter(id => id.endsWith('@3'))).toEqual([])
    expect(acceptedIn(snapshot)).not.toEqual([])
    const restarted = new CoordinatorTestbed(snapshot)
    restarted.input({ kind: 'rollouts_received', ticket: 0, peer: peer(0), lease: lost.lease, rollouts: [{ ...missing, version: lost.version }] })
    expect(restarted.answered.map(({ verdict }) => verdict.outcome)).toEqual(['stale'])
    expect(restarted.workAlone(0, 3)).toBe(true)
  })

  test('the batch whose step did not finish is learnt from first', () => {
    const bed = played(config, [
      { do: 'want', who: 0, rollouts: 2 },
      { do: 'deliver', who: 0, lease: 0, most: 2 },
      { do: 'judge', pick: 0, count: 2 }
    ])
    const snapshot = JSON.parse(JSON.stringify(bed.state)) as CoordinatorState
    recover(snapshot)
    const restarted = new CoordinatorTestbed(snapshot)
    restarted.input({ kind: 'learner_free' })
    expect(restarted.learnt).toEqual(bed.learnt)
    expect(bed.learnt.length).toBe(1)
  })
})

describe('shares', () => {
  test('next turns that verdicts set free together are leased together', () => {
    const bed = played({ stalenessBudget: 0, groupsPerBatch: 4, groupSize: 2, leaseDurationMs: 300 }, [{ do: 'want', who: 0, rollouts: 8 }, { do: 'deliver', who: 0, lease: 0, most: 8 }, { do: 'want', who: 0, rollouts: 8 }], 2)
    const before = bed.granted.length
    bed.play({ do: 'judge', pick: 0, count: 8 })
    expect(bed.granted.slice(before).map(({ samples }) => samples.filter(({ turn }) => turn === 1).length)).toEqual([4])
  })

  test('early big wishes leave work for later peers, and whoever waited longest is served first', () => {
    const state = createCoordinator({ stalenessBudget: 0, groupsPerBatch: 4, groupSize: 4, leaseDurationMs: 300 })
    const sizes: [string, number][] = []
    for (const who of [0, 1, 2]) {
      for (const effect of step(state, [{ kind: 'work_wanted', peer: peer(who), version: 0, rollouts: 8 }], { nowMs: 0 })) {
        if (effect.kind === 'lease_granted') sizes.push([effect.peer, effect.samples.length])
      }
    }
    expect(sizes).toEqual([
      [peer(0), 8],
      [peer(1), 4],
      [peer(2), 4]
    ])
  })

  test('nothing is leased in sequential mode while the learner computes, and nothing at all once closed', () => {
    const bed = played({ stalenessBudget: 0, groupsPerBatch: 1, groupSize: 2, leaseDurationMs: 300 }, [
      { do: 'want', who: 0, rollouts: 2 },
      { do: 'deliver', who: 0, lease: 0, most: 2 },
      { do: 'judge', pick: 0, count: 1 },
      { do: 'judge', pick: 0, count: 1 },
      { do: 'want', who: 0, rollouts: 2 }
    ])
    expect(bed.learnt.length).toBe(1)
    expect(bed.granted.length).toBe(1)
    bed.input({ kind: 'closed' })
    bed.play({ do: 'finish_step' })
    bed.play({ do: 'refresh', who: 0 })
    bed.play({ do: 'want', who: 0, rollouts: 2 })
    expect(bed.granted.length).toBe(1)
  })
})

describe('pacing', () => {
  const config = { stalenessBudget: 4, groupsPerBatch: 4, groupSize: 1, leaseDurationMs: 300 }
  const fill = (bed: CoordinatorTestbed, rollouts: number) => {
    bed.play({ do: 'refresh', who: 0 })
    bed.play({ do: 'want', who: 0, rollouts })
    while (bed.granted.some(({ lease }) => !bed.endings.has(lease))) bed.play({ do: 'deliver', who: 0, lease: 0, most: 99 })
    bed.play({ do: 'judge', pick: 0, count: 99 })
  }

  test('while the learner computes, peers that are always hungry fill one batch and no more', () => {
    const bed = played(config, [])
    for (let asked = 0; asked < 6; asked++) fill(bed, 99)
    expect(bed.learnt.length).toBe(1)
    expect(backlog(bed.state)).toEqual({ inFlight: 0, buffered: bed.state.lookahead })
    expect(bed.state.lookahead).toBeLessThan(2 * config.groupsPerBatch)
  })

  test('a learner that keeps waiting is given more lookahead, up to the staleness budget; one that finds more than it needs, less', () => {
    const bed = played(config, [])
    const seen: number[] = []
    for (let version = 0; version < 80; version++) {
      fill(bed, version < 40 ? config.groupsPerBatch : 99)
      bed.play({ do: 'finish_step' })
      seen.push(bed.state.lookahead)
    }
    expect(bed.state.version).toBe(80)
    expect(seen[39]).toBe((config.stalenessBudget + 1) * config.groupsPerBatch)
    expect(seen[79]).toBeLessThan(2 * config.groupsPerBatch)
  })

  test('a slow peer at the head of the queue holds up nobody', () => {
    const bed = played({ ...config, leaseDurationMs: 1e9 }, [{ do: 'want', who: 1, rollouts: 3 }])
    expect(bed.workAlone(0, 4)).toBe(true)
    expect(bed.state.groups.slice(0, 3).map(({ prompt }) => prompt)).toEqual([0, 1, 2])
  })
})
