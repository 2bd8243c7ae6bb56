import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { createCoordinator } from '#shared/coordination/coordinator-state.ts'
import { createCurriculum } from '#shared/coordination/curriculum.ts'
import { createRunLedger } from '#shared/coordination/run-ledger.ts'
import Database from 'libsql'
import { RunDatabase, type JudgedTurn, type RolloutChange, type RunSnapshot } from './run-database.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmuration-database-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const snapshot: RunSnapshot = {
  coordinator: createCoordinator({ stalenessBudget: 1, groupsPerBatch: 1, groupSize: 2, leaseDurationMs: 300 }),
  curriculum: createCurriculum(),
  ledger: createRunLedger({ run: 'r', goal: 'g', task: 'reverse', mode: 'async', stalenessBudget: 1, seed: 0, updatesPlanned: 1, turns: 1 }, 0)
}

const shown = { version: 1, reward: 0.5, fractionZeroStd: 0.1, entropy: 1, mismatchKl: 0.01, maskedFraction: 0.02, gradientNorm: 0.3, lagMean: 1.5, stepSeconds: 2 }
const learnt: RunSnapshot = { ...snapshot, coordinator: { ...snapshot.coordinator, version: 1 } }

const accepted: JudgedTurn = {
  id: '0/0',
  prompt: 0,
  index: 0,
  turn: 0,
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

function judged(...turns: JudgedTurn[]): RolloutChange[] {
  return turns.map(turn => ({ kind: 'judged', turn }))
}

/** Locks a database from another process, and lets go of it 300 ms after it was told to. Run as a module of its own. */
const LOCKER = `
  import Database from 'libsql'
  const database = new Database(process.argv[1])
  database.exec('PRAGMA journal_mode = WAL; BEGIN EXCLUSIVE')
  process.once('message', () => setTimeout(() => { database.exec('COMMIT'); process.disconnect() }, 300))
  process.send('locked')
`

describe('the database of a run', () => {
  test('gives back accepted rollouts exactly, after it was closed without warning', () => {
    const path = join(folder, 'crash.sqlite')
    const database = new RunDatabase(path)
    expect(database.snapshot()).toBeUndefined()
    database.record({ changes: judged(accepted, { ...accepted, id: '0/1', index: 1, outcome: 'rejected', reason: 'wrong_seed', reward: null, behaviourLogProbs: null }, { ...accepted, turn: 1, version: 1, tokens: [7] }), snapshot })
    const reopened = new RunDatabase(path)
    expect(reopened.kept()).toEqual([
      { id: '0/0', turn: 0, tokens: accepted.tokens, behaviourLogProbs: accepted.behaviourLogProbs },
      { id: '0/0', turn: 1, tokens: [7], behaviourLogProbs: accepted.behaviourLogProbs }
    ])
    expect(reopened.snapshot()).toEqual(snapshot)
    reopened.close()
    database.close()
  })

  test('no longer keeps what was learnt from or became too old, with all of its turns', () => {
    const database = new RunDatabase(join(folder, 'learnt.sqlite'))
    database.record({ changes: judged(accepted, { ...accepted, turn: 1 }, { ...accepted, id: '0/1' }, { ...accepted, id: '0/1', turn: 1 }, { ...accepted, id: '0/2' }), snapshot })
    database.record({ step: { version: 0, learnt: ['0/0'], metrics: { shown, learner: {} } }, snapshot: learnt })
    expect(database.snapshot()).toEqual({ ...learnt, ledger: { ...learnt.ledger, metrics: [shown] } })
    database.record({ changes: [{ kind: 'outdated', id: '0/1' }, ...judged({ ...accepted, id: '0/1', version: 3 })], snapshot })
    expect(database.kept().map(({ id, turn }) => [id, turn])).toEqual([['0/2', 0], ['0/1', 0]])
    database.record({ changes: [...judged({ ...accepted, id: '0/1', turn: 1, version: 3 }), { kind: 'outdated', id: '0/1' }], snapshot })
    expect(database.kept().map(({ id, turn }) => [id, turn])).toEqual([['0/2', 0]])
    database.close()
  })

  test('takes all of a submission or nothing: the second of two equal acceptances is a bug and undoes the first', () => {
    const database = new RunDatabase(join(folder, 'atomic.sqlite'))
    expect(() => database.record({ changes: judged(accepted, accepted), snapshot })).toThrow(/UNIQUE/)
    expect(database.kept()).toEqual([])
    expect(database.snapshot()).toBeUndefined()
    database.close()
  })

  test('waits for others who have locked the file for a moment', async () => {
    const path = join(folder, 'locked.sqlite')
    const locker = spawn(process.execPath, ['--input-type=module', '--eval', LOCKER, path], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const ended = once(locker, 'close')
    await once(locker, 'message')
    locker.send('let go')
    const database = new RunDatabase(path)
    database.record({ changes: judged(accepted), snapshot })
    expect(database.kept()).toHaveLength(1)
    database.close()
    expect(await ended).toEqual([0, null])
  })

  test('of another version of the program is refused in one line', () => {
    const path = join(folder, 'newer.sqlite')
    const newer = new Database(path)
    newer.exec('PRAGMA user_version = 99')
    newer.close()
    expect(() => new RunDatabase(path)).toThrow(/written by another version of this program \(tables 99, here 2\)/)
  })
})
