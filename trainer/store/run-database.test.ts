import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { createCoordinator } from '#shared/coordination/coordinator-state.ts'
import { createRunLedger } from '#shared/coordination/run-ledger.ts'
import Database from 'libsql'
import { RunDatabase, type JudgedRollout, type RunSnapshot } from './run-database.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmuration-database-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const snapshot: RunSnapshot = {
  coordinator: createCoordinator({ stalenessBudget: 1, groupsPerBatch: 1, groupSize: 2, leaseDurationMs: 300 }),
  ledger: createRunLedger({ run: 'r', goal: 'g', mode: 'async', stalenessBudget: 1, seed: 0, updatesPlanned: 1 }, 0)
}

const shown = { version: 1, reward: 0.5, fractionZeroStd: 0.1, entropy: 1, mismatchKl: 0.01, maskedFraction: 0.02, gradientNorm: 0.3, lagMean: 1.5, stepSeconds: 2 }
const learnt: RunSnapshot = { ...snapshot, coordinator: { ...snapshot.coordinator, version: 1 } }

const accepted: JudgedRollout = {
  id: '0/0',
  prompt: 0,
  index: 0,
  version: 0,
  peer: 'a'.repeat(32),
  tokens: [4, 5, 2],
  behaviourLogProbs: [Math.fround(-0.1), Math.fround(-1.7), Math.fround(-2e-7)],
  promptText: '1+1=',
  completionText: '2',
  outcome: 'accepted',
  reason: null,
  reward: 0.5,
  receivedMs: 12
}

describe('the database of a run', () => {
  test('gives back accepted rollouts exactly, after it was closed without warning', () => {
    const path = join(folder, 'crash.sqlite')
    const database = new RunDatabase(path)
    expect(database.snapshot()).toBeUndefined()
    database.record({ judged: [accepted, { ...accepted, id: '0/1', index: 1, outcome: 'rejected', reason: 'wrong_seed', reward: null, behaviourLogProbs: null }], snapshot })
    const reopened = new RunDatabase(path)
    expect(reopened.buffered()).toEqual([{ id: '0/0', version: 0, tokens: accepted.tokens, behaviourLogProbs: accepted.behaviourLogProbs, reward: 0.5 }])
    expect(reopened.snapshot()).toEqual(snapshot)
    reopened.close()
    database.close()
  })

  test('no longer buffers what was learnt from or became too old', () => {
    const database = new RunDatabase(join(folder, 'learnt.sqlite'))
    database.record({ judged: [accepted, { ...accepted, id: '0/1' }, { ...accepted, id: '0/2' }], snapshot })
    database.record({ step: { version: 0, learnt: [{ id: '0/0', version: 0 }], metrics: { shown, learner: {} } }, snapshot: learnt })
    expect(database.snapshot()).toEqual({ ...learnt, ledger: { ...learnt.ledger, metrics: [shown] } })
    database.record({ outdated: [{ id: '0/1', version: 0 }], snapshot })
    expect(database.buffered().map(({ id }) => id)).toEqual(['0/2'])
    database.record({ judged: [{ ...accepted, id: '0/1', version: 3 }], snapshot })
    expect(database.buffered().map(({ id, version }) => [id, version])).toEqual([['0/2', 0], ['0/1', 3]])
    database.close()
  })

  test('takes all of a submission or nothing: the second of two equal acceptances is a bug and undoes the first', () => {
    const database = new RunDatabase(join(folder, 'atomic.sqlite'))
    expect(() => database.record({ judged: [accepted, accepted], snapshot })).toThrow(/UNIQUE/)
    expect(database.buffered()).toEqual([])
    expect(database.snapshot()).toBeUndefined()
    database.close()
  })

  test('of another version of the program is refused in one line', () => {
    const path = join(folder, 'newer.sqlite')
    const newer = new Database(path)
    newer.exec('PRAGMA user_version = 99')
    newer.close()
    expect(() => new RunDatabase(path)).toThrow(/written by another version of this program \(tables 99, here 1\)/)
  })
})
