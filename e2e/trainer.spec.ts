/** The trainer with a real signaling server and volunteers without a browser: endings, resumption, damage, lies. */
import { expect } from '@playwright/test'
import { readdirSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import type { Rollout } from '#shared/protocol/rollout.ts'
import { ROOT } from '../cli/child-process.ts'
import type { NodeVolunteer } from './node-volunteer.ts'
import { hashAdapter, readReport, readRollouts } from './run-records.ts'
import { BATCH, ended, reached, test } from './trainer-bench.ts'

/** Of a run that does not end by itself, however late the test is to stop it. */
const ENDLESS = 4096

test('sequential runs of one seed end with the same adapter to the bit, however many volunteers share the work', async ({ bench }) => {
  const runFile = bench.runFile({ updates: 4, mode: 'sequential', seed: 5 })
  const ends: unknown[] = []
  for (const volunteers of [1, 3]) {
    const directory = join(bench.folder, `run-${volunteers}`)
    const trainer = bench.train(['--run', runFile, '--run-directory', directory])
    // Whoever joins earlier joins the run before.
    await trainer.waitForEvent(({ event }) => event === 'run_opened')
    const working = Array.from({ length: volunteers }, () => bench.volunteer())
    expect((await ended(trainer)).code).toBe(0)
    await Promise.all(working.map(volunteer => volunteer.stop()))
    const report = readReport(join(directory, 'report.json'))
    expect(report.lag).toEqual({ mean: 0, max: 0, histogram: [4 * BATCH] })
    expect(report.rollouts).toEqual({ leased: 4 * BATCH, accepted: 4 * BATCH, stale: 0, rejected: {} })
    ends.push({ adapter: hashAdapter(directory, 4), reward: report.reward })
    expect(hashAdapter(directory, 4)).not.toBe(hashAdapter(directory, 0))
  }
  expect(ends[1]).toEqual(ends[0])
})

test('a run that was stopped goes on where it stopped; one that was killed loses nothing that was acknowledged', async ({ bench }) => {
  const runFile = bench.runFile({ updates: ENDLESS })
  const directory = join(bench.folder, 'run')
  const acknowledged = new Set<string>()
  const heard = (verdict: { readonly id: string; readonly outcome: string }): void => void (verdict.outcome === 'accepted' && acknowledged.add(verdict.id))
  bench.volunteer({ heard })
  bench.volunteer({ heard })

  const first = bench.train(['--run', runFile, '--run-directory', directory])
  await first.waitForEvent(reached(3))
  expect(await first.stop(120_000)).toEqual({ code: 0, signal: null })
  const stopped = readReport(join(directory, 'report.json'))
  expect(stopped.end).toBe('stopped')
  expect(stopped.updates).toBeGreaterThanOrEqual(3)

  const second = bench.train(['--resume', directory])
  await second.waitForEvent(reached(stopped.updates + 3))
  second.kill()
  await ended(second)

  const checkpoints = readdirSync(join(directory, 'checkpoints')).flatMap(name => /^version-(\d+)$/.exec(name)?.[1] ?? []).map(Number)
  const updates = Math.max(...checkpoints) + 3
  const third = bench.train(['--resume', directory, '--updates', String(updates)])
  expect(await ended(third)).toEqual({ code: 0, signal: null })
  const report = readReport(join(directory, 'report.json'))
  expect(report.end).toBe('updates_done')
  expect(report.updates).toBe(updates)
  expect(report.reward.slice(0, stopped.updates)).toEqual(stopped.reward)
  expect(report.reward).toHaveLength(report.updates)
  expect(report.lag.max).toBeLessThanOrEqual(4)
  expect(report.rollouts.rejected).toEqual({})

  const stored = readRollouts(directory).filter(({ reward }) => reward !== null)
  const learnt = stored.filter(({ learnt_at }) => learnt_at !== null)
  expect(learnt).toHaveLength(report.updates * BATCH)
  expect(new Set(learnt.map(({ id }) => id)).size).toBe(learnt.length)
  const ids = new Set(stored.map(({ id }) => id))
  expect([...acknowledged].filter(id => !ids.has(id))).toEqual([])
})

test('a damaged checkpoint costs the steps since the one before, one line says so, and a volunteer that knows the lost version goes back too', async ({ bench }) => {
  const runFile = bench.runFile({ updates: 3 })
  const directory = join(bench.folder, 'run')
  const volunteer = bench.volunteer()
  expect((await ended(bench.train(['--run', runFile, '--run-directory', directory]))).code).toBe(0)
  truncateSync(join(directory, 'checkpoints', 'version-3', 'optimizer.safetensors'), 200)
  const resumed = bench.train(['--resume', directory, '--updates', '5'])
  expect((await ended(resumed)).code).toBe(0)
  expect(resumed.lastErrorLines).toHaveLength(2)
  expect(resumed.lastErrorLines[0]).toMatch(/version-3.optimizer\.safetensors: damaged/)
  expect(resumed.lastErrorLines[1]).toBe('going back from version 3 to 2')
  const report = readReport(join(directory, 'report.json'))
  expect(report.updates).toBe(5)
  expect(report.reward).toHaveLength(5)
  expect(report.rollouts.rejected).toEqual({})
  expect(report.peers.map(({ id }) => id)).toEqual([volunteer.peer])
})

test('lies are refused by name, their teller gets no more work, and the run ends with honest work alone', async ({ bench }) => {
  const directory = join(bench.folder, 'run')
  const lies: Record<string, (rollout: Rollout) => Rollout> = {
    wrong_seed: rollout => ({ ...rollout, seed: 'f'.repeat(64) }),
    log_prob_mismatch: rollout => ({ ...rollout, logProbs: rollout.logProbs.map(logProb => logProb - 0.01) }),
    not_terminated: rollout => ({ ...rollout, finish: rollout.finish === 'stop' ? 'length' : 'stop' })
  }
  const trainer = bench.train(['--run', bench.runFile({ updates: 12 }), '--run-directory', directory])
  const liars: NodeVolunteer[] = []
  // The honest one comes once every lie has been answered: nobody is too late to tell theirs.
  await Promise.all(
    Object.values(lies).map(
      distort => new Promise<void>(resolve => liars.push(bench.volunteer({ distort, heard: ({ outcome }) => void (outcome === 'rejected' && resolve()) })))
    )
  )
  bench.volunteer()
  expect((await ended(trainer)).code).toBe(0)
  const report = readReport(join(directory, 'report.json'))
  expect(Object.keys(report.rollouts.rejected).toSorted()).toEqual(Object.keys(lies).toSorted())
  for (const liar of liars) expect(report.peers.find(({ id }) => id === liar.peer)).toMatchObject({ accepted: 0 })
  const peers = new Set(readRollouts(directory).filter(({ learnt_at }) => learnt_at !== null).map(({ peer }) => peer))
  expect(peers.size).toBe(1)
})

test('the adapter on disk is the one that was announced: PEFT names, and the config that its loader needs', async ({ bench }) => {
  const directory = join(bench.folder, 'run')
  bench.volunteer()
  expect((await ended(bench.train(['--run', bench.runFile({ updates: 1, lora: { rank: 4, alpha: 8 } }), '--run-directory', directory]))).code).toBe(0)
  const config = JSON.parse(readFileSync(join(directory, 'checkpoints', 'version-1', 'adapter_config.json'), 'utf8')) as Record<string, unknown>
  expect(config).toMatchObject({ peft_type: 'LORA', r: 4, lora_alpha: 8, base_model_name_or_path: join(bench.folder, 'model') })
})

test('a run that trains every parameter ends, published as deltas, bit for bit as with whole models, and less is fetched', async ({ bench }) => {
  const ends: { trained: Buffer; rollouts: unknown; bytes: number }[] = []
  for (const deltas of [false, true]) {
    const directory = join(bench.folder, deltas ? 'deltas' : 'whole')
    const trainer = bench.train(['--run', bench.runFile({ updates: 6, parameters: 'full', mode: 'sequential', deltas, optimizer: { learningRate: 1e-4 } }), '--run-directory', directory])
    await trainer.waitForEvent(({ event }) => event === 'run_opened')
    const volunteer = bench.volunteer()
    expect((await ended(trainer)).code).toBe(0)
    await volunteer.stop()
    const report = readReport(join(directory, 'report.json'))
    expect(report.updates).toBe(6)
    expect(report.rollouts).toEqual({ leased: 6 * BATCH, accepted: 6 * BATCH, stale: 0, rejected: {} })
    const trained = readFileSync(join(directory, 'checkpoints', 'version-6', 'model.safetensors'))
    ends.push({ trained, rollouts: readRollouts(directory).map(({ id, version, reward }) => `${version}/${id}: ${reward}`).toSorted(), bytes: volunteer.bytesFetched })
  }
  const base = readFileSync(join(bench.folder, 'model', 'model.safetensors'))
  expect(ends[0]!.trained.byteLength).toBe(base.byteLength)
  expect(ends[0]!.trained.equals(base)).toBe(false)
  expect(ends[1]!.trained.equals(ends[0]!.trained)).toBe(true)
  expect(ends[1]!.rollouts).toEqual(ends[0]!.rollouts)
  // Of the last version it hears at the end, too late perhaps.
  expect(ends[1]!.bytes, `${ends[1]!.bytes} bytes as deltas, ${ends[0]!.bytes} whole`).toBeLessThan(ends[0]!.bytes)
})

test('a run of all parameters that was stopped goes on, and its volunteers with it', async ({ bench }) => {
  const directory = join(bench.folder, 'run')
  bench.volunteer()
  const first = bench.train(['--run', bench.runFile({ updates: ENDLESS, parameters: 'full', optimizer: { learningRate: 1e-4 } }), '--run-directory', directory])
  await first.waitForEvent(reached(3))
  await first.stop(120_000)
  const { updates } = readReport(join(directory, 'report.json'))
  const second = bench.train(['--resume', directory, '--updates', String(updates + 3)])
  expect((await ended(second)).code).toBe(0)
  const report = readReport(join(directory, 'report.json'))
  expect(report.updates).toBe(updates + 3)
  expect(report.rollouts.rejected).toEqual({})
})

test('a run ends before its updates are done once held-out success reaches what its run file asks for, and says so', async ({ bench }) => {
  const directory = join(bench.folder, 'run')
  bench.volunteer()
  // The shipped model solves enough as it is: the first measurement of a trained version is the last.
  const runFile = bench.runFile({
    updates: 1000,
    model: { path: join(ROOT, 'public/models/murmuration-tiny') },
    environment: { name: 'arithmetic' },
    batch: { prompts: 2, group: 4, maxTokens: 4 },
    optimizer: { learningRate: 1e-6 },
    evaluation: { size: 32, every: 1 },
    stop: { success: 0.2 }
  })
  const trainer = bench.train(['--run', runFile, '--run-directory', directory])
  expect((await ended(trainer)).code).toBe(0)
  const report = readReport(join(directory, 'report.json'))
  expect(report.end).toBe('success_reached')
  expect(report.updates).toBeGreaterThanOrEqual(1)
  expect(report.updates).toBeLessThan(1000)
  expect(report.eval.after!.success).toBeGreaterThanOrEqual(0.2)
})

test('bad input ends with one line and exit code 2', async ({ bench }) => {
  const runFile = bench.runFile({ updates: 1 })
  const started = async (args: readonly string[]): Promise<unknown> => {
    const child = bench.train(args)
    const { code } = await ended(child)
    return { code, lines: child.lastErrorLines }
  }
  expect(await started(['--run', runFile])).toEqual({ code: 2, lines: ['--run-directory is missing; --help lists the options'] })
  expect(await started(['--resume', bench.folder])).toEqual({ code: 2, lines: [`${join(bench.folder, 'run.json')}: cannot be read (ENOENT); --resume needs the folder of a run`] })
  expect(await started(['--run', runFile, '--run-directory', join(bench.folder, 'a'), '--token', 'wrong'])).toEqual({
    code: 2,
    lines: [expect.stringContaining('the signaling server refused this trainer (unauthorised')]
  })
  truncateSync(join(bench.folder, 'model', 'model.safetensors'), 1000)
  expect(await started(['--run', runFile, '--run-directory', join(bench.folder, 'b')])).toEqual({ code: 2, lines: [expect.stringContaining(`${join(bench.folder, 'model', 'model.safetensors')}: truncated`)] })
})
