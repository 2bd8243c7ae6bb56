import { expect, test } from 'vitest'
import { CoordinatorTestbed, peer, played, type Action } from '../testing/coordinator-testbed.ts'
import type { CoordinatorState } from './coordinator-state.ts'
import { recover } from './coordinator.ts'
import { rewindCoordinator } from './rewind.ts'

/** One learner step on one group, sampled by this peer with the newest version. */
function oneStep(who: number): Action[] {
  return [
    { do: 'refresh', who },
    { do: 'want', who, rollouts: 2 },
    { do: 'deliver', who, lease: 0, most: 2 },
    { do: 'judge', pick: 0, count: 2 },
    { do: 'finish_step' }
  ]
}

/** Peer 0 holds a lease of two groups at version 2 when the trainer goes back to version 1; then peer 1 helps to make another version 2. */
function rewound(): { readonly bed: CoordinatorTestbed; readonly lost: CoordinatorTestbed['granted'][number] } {
  const before = played({ stalenessBudget: 2, groupsPerBatch: 1, groupSize: 2, leaseDurationMs: 300 }, [...oneStep(0), ...oneStep(0), { do: 'refresh', who: 0 }, { do: 'want', who: 0, rollouts: 4 }])
  const lost = before.granted.at(-1)!
  expect(lost).toMatchObject({ version: 2, samples: { length: 4 } })
  const state = JSON.parse(JSON.stringify(before.state)) as CoordinatorState
  recover(state)
  rewindCoordinator(state, 1)
  const bed = new CoordinatorTestbed(state)
  bed.play({ do: 'finish_step' })
  for (const action of oneStep(1)) bed.play(action)
  expect(bed.state.version).toBe(2)
  return { bed, lost }
}

test('a rollout of a lost version is stale and not judged, though another version bears its number', () => {
  const { bed, lost } = rewound()
  const late = { ...lost.samples.at(-1)!, version: lost.version }
  expect(bed.state.groups.find(({ prompt }) => prompt === late.prompt)?.samples[late.index]).toMatchObject({ kind: 'open', judging: 0 })
  bed.input({ kind: 'rollouts_received', ticket: 99, peer: peer(0), lease: lost.lease, rollouts: [late] })
  expect(bed.answered.at(-1)).toMatchObject({ ticket: 99, verdict: { outcome: 'stale' }, first: true })
})

test('a rollout of the version that bears the number now is judged', () => {
  const { bed } = rewound()
  for (const action of oneStep(1)) bed.play(action)
  expect(bed.answered.slice(-2)).toMatchObject([0, 1].map(index => ({ rollout: { index, version: 2 }, verdict: { outcome: 'accepted' } })))
})
