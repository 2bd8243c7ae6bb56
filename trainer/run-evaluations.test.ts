import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { createRunLedger, type RunLedger } from '#shared/coordination/run-ledger.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { randomAdapter } from '#shared/model/random-weights.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { RunEvaluations } from './run-evaluations.ts'
import { openCheckpoints, type CheckpointStore } from './store/checkpoints.ts'

const root = mkdtempSync(join(tmpdir(), 'murmuration-evaluations-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const config = tinyConfig()
const lora: LoraConfig = { rank: 2, alpha: 4, targets: ['q_proj'] }
const facts = { run: 'r', goal: 'g', task: 'reverse', mode: 'async', stalenessBudget: 1, seed: 0, updatesPlanned: 9, turns: 1 } as const

let folders = 0
let folder: string
let checkpoints: CheckpointStore
let ledger: RunLedger
let warnings: string[]

function opened(): CheckpointStore {
  return openCheckpoints({ folder, config, lora, baseModel: 'models/tiny', keep: 1 })
}

/** Of a run whose versions 1, 2, 3 … have these figures. */
function evaluations(successes: readonly number[], bestBy = 'success'): RunEvaluations {
  const metrics = { bigBlinds: { value: -1, low: -2, high: 0 } }
  let next = 0
  return new RunEvaluations({ evaluate: () => Promise.resolve({ success: successes[next++]!, n: 4, metrics }), ledger, checkpoints, bestBy, warn: line => warnings.push(line) })
}

function write(version: number): void {
  checkpoints.write(version, { step: version, parameters: randomAdapter(config, lora, version), moments: new Map() })
}

beforeEach(() => {
  folder = join(root, String(folders++))
  checkpoints = opened()
  ledger = createRunLedger(facts, 0)
  warnings = []
})

describe('the best of the measured versions', () => {
  test('keeps its checkpoint, though newer ones were written while it was measured', async () => {
    const measuring = evaluations([0.25, 0.75, 0.5])
    const asked = [1, 2, 3].map(version => {
      write(version)
      return measuring.measure(version, null)
    })
    write(4)
    expect(checkpoints.versions()).toEqual([1, 2, 3, 4])
    await Promise.all(asked)
    expect(ledger.best).toEqual({ version: 2, metric: 'success', value: 0.75 })
    expect(checkpoints.versions()).toEqual([2, 4])
    expect(warnings).toEqual([])
  })

  test('stays known where a process died before its books were stored', async () => {
    write(1)
    await evaluations([0.5]).measure(1, null)
    write(2)
    checkpoints = opened()
    ledger = createRunLedger(facts, 0)
    const later = evaluations([0.25])
    await later.measure(2, null)
    expect(ledger.best).toEqual({ version: 1, metric: 'success', value: 0.5 })
    expect(checkpoints.versions()).toEqual([1, 2])
  })

  test('is found anew in the books where the file is lost, among those that have a checkpoint', async () => {
    for (const version of [1, 2, 3]) write(version)
    ledger.evaluations = [{ version: 1, success: 1, n: 4 }, { version: 3, success: 0.5, n: 4 }]
    evaluations([])
    expect(checkpoints.best()).toEqual({ version: 3, metric: 'success', value: 0.5 })
    expect(ledger.best).toEqual(checkpoints.best())
  })

  test('does not change once the report is written', async () => {
    const measuring = evaluations([0.5, 0.75])
    write(1)
    await measuring.measure(1, null)
    write(2)
    const late = measuring.measure(2, null)
    measuring.close()
    await late
    expect([ledger.evaluations.length, ledger.best?.version, checkpoints.best()?.version]).toEqual([1, 1, 1])
  })

  test('is none where the task has no such figure, which is said once', async () => {
    const measuring = evaluations([0.5, 0.5], 'blinds')
    for (const version of [1, 2]) {
      write(version)
      await measuring.measure(version, null)
    }
    expect(warnings).toEqual(['evaluation.best = "blinds" is no figure of this task, so no version is kept as the best; it has success, bigBlinds'])
    expect([ledger.best, checkpoints.versions()]).toEqual([null, [2]])
  })
})
