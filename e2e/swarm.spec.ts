import { readdirSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { sha256Hex } from '#shared/crypto/sha256.ts'
import { LIES, makeTabLie, type Lie } from './lying-tab.ts'
import { Acknowledgements } from './acknowledgements.ts'
import { hashAdapter, readReport, readRollouts } from './run-records.ts'
import { expect, test } from './swarm.ts'

/** `reverse`, small enough that a learner step takes a second. */
const SMALL = { batch: { prompts: 4, group: 8 }, evaluation: { size: 16, every: 0 } }
const BATCH = 4 * 8

test('three tabs and a trainer finish a run, and its report tells what the dashboard shows', async ({ launchSwarm, page }) => {
  const swarm = await launchSwarm({ peers: 3, seed: 1, overrides: SMALL, args: ['--updates', '1000', '--staleness', '2'] })
  await page.goto(`${swarm.url}/dashboard`)
  // However long a tab takes to start on a busy machine, the run waits for all three.
  await swarm.waitForFeed(({ report, peers }) => report.updates >= 4 && peers.length === 3 && peers.every(peer => peer.accepted > 0))
  await swarm.stopTrainer()
  const updates = readReport(swarm.reportFile).updates + 2
  swarm.resumeTrainer(['--updates', String(updates)])
  await swarm.waitForFinish()

  const report = readReport(swarm.reportFile)
  expect(report).toMatchObject({ mode: 'async', stalenessBudget: 2, seed: 1, updates, eval: { before: { n: 16 }, after: { n: 16 } } })
  expect(report.reward).toHaveLength(updates)
  expect(report.lag.max).toBeLessThanOrEqual(2)
  expect(report.lag.histogram.reduce((sum, n) => sum + n, 0)).toBe(updates * BATCH)
  expect(report.rollouts.accepted).toBeGreaterThanOrEqual(updates * BATCH)
  expect(Object.values(report.rollouts.rejected).reduce((sum, n) => sum + n, 0)).toBe(0)
  expect(report.peers).toHaveLength(3)
  for (const peer of report.peers) expect(peer.accepted, `rollouts of ${peer.id}`).toBeGreaterThan(0)
  expect(report.peers.reduce((sum, peer) => sum + peer.accepted, 0)).toBe(report.rollouts.accepted)
  expect(report.dissemination.versions).toBe(updates + 1)
  expect(report.dissemination.bytesFromPeers).toBeGreaterThan(0)
  expect(report.dissemination.bytesFromOrigin).toBeGreaterThan(0)

  const stored = readRollouts(swarm.runDirectory)
  expect(stored.filter(({ learnt_at }) => learnt_at !== null)).toHaveLength(updates * BATCH)

  const feed = await swarm.waitForFeed(({ phase }) => phase === 'finished')
  expect(feed.report).toEqual(report)
  await expect(page.getByText(`${updates} of ${updates}`)).toBeVisible()
  await expect(page.locator('[data-card="rollouts"] .card-value')).toHaveText(report.rollouts.accepted.toLocaleString('en'))
  await expect(page.locator('[data-card="lag"] .card-value')).toHaveText(`${report.lag.mean.toFixed(2)} / ${report.lag.max}`)
  for (const peer of report.peers) await expect(page.locator(`tr[data-peer="${peer.id}"]`)).toContainText(peer.accepted.toLocaleString('en'))
})

test('a killed tab, a reloaded tab and a restarted server lose no accepted rollout', async ({ launchSwarm }) => {
  const acknowledgements = new Acknowledgements()
  const swarm = await launchSwarm({ peers: 0, seed: 2, overrides: SMALL, args: ['--updates', '1000'] })
  const watch = async (page: Parameters<Acknowledgements['watch']>[0]): Promise<void> => acknowledgements.watch(page)
  const [victim, reloaded] = [await swarm.openTab({ prepare: watch }), await swarm.openTab({ prepare: watch }), await swarm.openTab({ prepare: watch })]
  await swarm.waitForFeed(({ report, peers }) => report.updates >= 2 && peers.length === 3)
  await swarm.killTab(victim)
  await swarm.waitForFeed(({ report, peers }) => report.updates >= 3 && peers.length === 2)
  await swarm.reloadTab(reloaded)
  await swarm.waitForFeed(({ report }) => report.updates >= 5)
  await swarm.restartServer()
  const { updates } = (await swarm.waitForFeed(() => true)).report
  await swarm.waitForFeed(({ report }) => report.updates >= updates + 3)
  await swarm.stopTrainer()

  const report = readReport(swarm.reportFile)
  expect(report.lag.max).toBeLessThanOrEqual(report.stalenessBudget)
  expect(Object.values(report.rollouts.rejected).reduce((sum, n) => sum + n, 0)).toBe(0)

  const judged = readRollouts(swarm.runDirectory).filter(({ reward }) => reward !== null)
  const stored = judged.map(({ id, version }) => `${id}@${version}`)
  expect(new Set(stored).size, 'each is stored once').toBe(stored.length)
  // Of the others it was not heard, because the tab or the server was gone by then.
  expect(acknowledgements.accepted.size).toBeGreaterThan(report.updates * BATCH / 2)
  expect([...acknowledgements.accepted].filter(told => !stored.includes(told))).toEqual([])
  const learnt = judged.filter(({ learnt_at }) => learnt_at !== null)
  expect(learnt).toHaveLength(report.updates * BATCH)
  expect(new Set(learnt.map(({ id }) => id)).size, 'nothing is learnt from twice').toBe(learnt.length)
})

test('a trainer that has to go back to an older checkpoint takes the tab along that knows newer versions', async ({ launchSwarm }) => {
  const swarm = await launchSwarm({ peers: 1, seed: 5, overrides: SMALL, args: ['--updates', '1000'] })
  await swarm.waitForFeed(({ peers }) => (peers[0]?.status.version ?? 0) >= 3)
  await swarm.stopTrainer()
  const newest = readReport(swarm.reportFile).updates
  const checkpoints = join(swarm.runDirectory, 'checkpoints')
  const [, kept, ...lost] = readdirSync(checkpoints).flatMap(name => /^version-(\d+)$/.exec(name)?.[1] ?? []).map(Number).toSorted((a, b) => a - b)
  for (const version of lost) truncateSync(join(checkpoints, `version-${version}`, 'optimizer.safetensors'), 200)
  swarm.resumeTrainer(['--updates', String(newest + 2)])
  await swarm.waitForFinish()
  expect(swarm.swarm.trainer.lastErrorLines).toContain(`going back from version ${newest} to ${kept}`)
  const report = readReport(swarm.reportFile)
  expect(report.updates).toBe(newest + 2)
  expect(report.rollouts.rejected).toEqual({})
  expect(report.peers).toHaveLength(1)
})

test('sequential runs of one seed end with the same adapter, bit for bit', async ({ launchSwarm }) => {
  const hashes: string[] = []
  for (const peers of [2, 1]) {
    const swarm = await launchSwarm({ peers, seed: 3, overrides: SMALL, args: ['--updates', '3', '--mode', 'sequential'] })
    await swarm.waitForFinish()
    expect(readReport(swarm.reportFile).lag).toEqual({ mean: 0, max: 0, histogram: [3 * BATCH] })
    hashes.push(hashAdapter(swarm.runDirectory, 3))
    await swarm.stop()
  }
  expect(hashes[1]).toBe(hashes[0])
})

test('tabs play a game of several turns, and what they made of it can be looked at', async ({ launchSwarm, page }) => {
  const swarm = await launchSwarm({
    peers: 2,
    seed: 4,
    overrides: { environment: { name: 'guess', options: { largest: 9, guesses: 3 } }, batch: { ...SMALL.batch, maxTokens: 2 }, evaluation: { size: 8, every: 1, samples: 2 } },
    args: ['--updates', '1000']
  })
  await page.goto(`${swarm.url}/dashboard`)
  await swarm.waitForFeed(({ report, peers }) => report.updates >= 2 && report.best !== undefined && peers.length === 2 && peers.every(peer => peer.accepted > 0))
  await page.locator('[data-turns="3"]').first().getByRole('button', { name: /^Open rollout / }).click()
  await expect(page.locator('[data-opened] .worked-question')).toHaveText('A number from 1 to 9')
  await expect(page.locator('[data-opened] .worked-answer li')).toHaveCount(2)
  await swarm.stopTrainer()

  const finished = new Map<string, number>()
  for (const { id, turn, reward } of readRollouts(swarm.runDirectory)) if (reward !== null) finished.set(id, Math.max(turn, finished.get(id) ?? 0))
  expect(Math.max(...finished.values())).toBe(2)
  const report = readReport(swarm.reportFile)
  expect(report.rollouts.rejected).toEqual({})
  expect(report.rollouts.finished).toBeGreaterThanOrEqual(2 * BATCH)
  expect(report.eval.before?.sampled?.pass.map(({ j }) => j)).toEqual([1, 2])
  // The version that was measured best has a checkpoint, whatever was pruned since.
  const checkpoints = join(swarm.runDirectory, 'checkpoints')
  expect(JSON.parse(readFileSync(join(checkpoints, 'best.json'), 'utf8'))).toEqual(report.best)
  expect(readdirSync(checkpoints)).toContain(`version-${report.best!.version}`)
})

test('a run of all parameters gives, published as deltas, bit for bit what whole versions give, also where a tab joins late; less is fetched', async ({ launchSwarm }) => {
  const runs: { weights: string; bytes: number }[] = []
  for (const deltas of [false, true]) {
    const overrides = { ...SMALL, parameters: 'full', lora: undefined, deltas, optimizer: { learningRate: 1e-4 } }
    const swarm = await launchSwarm({ peers: 1, seed: 7, overrides, args: ['--updates', '6', '--mode', 'sequential'] })
    // Two deltas behind the base, for whoever comes now.
    await swarm.waitForFeed(({ report }) => report.updates >= 2)
    await swarm.openTab()
    await swarm.waitForFinish()
    const report = readReport(swarm.reportFile)
    expect(report.rollouts.rejected).toEqual({})
    const { bytesFromOrigin, bytesFromPeers } = report.dissemination
    const weights = readFileSync(join(swarm.runDirectory, 'checkpoints', 'version-6', 'model.safetensors'))
    runs.push({ weights: sha256Hex(weights), bytes: bytesFromOrigin + bytesFromPeers })
    await swarm.stop()
  }
  expect(runs[1]!.weights).toBe(runs[0]!.weights)
  expect(runs[1]!.bytes, `${runs[1]!.bytes} bytes as deltas, ${runs[0]!.bytes} whole`).toBeLessThan(runs[0]!.bytes)
})

test('tabs that lie are refused by name, and the others go on', async ({ launchSwarm }) => {
  const swarm = await launchSwarm({ peers: 1, seed: 4, overrides: SMALL, args: ['--updates', '1000'] })
  const tell = async ([reason, lie]: [string, Lie]): Promise<void> => {
    const liar = await swarm.openTab({ prepare: page => makeTabLie(page, lie) })
    await swarm.waitForFeed(({ report }) => (report.rollouts.rejected[reason as keyof typeof LIES] ?? 0) > 0)
    await swarm.swarm.closeTab(liar)
  }
  await Promise.all(Object.entries(LIES).map(tell))
  const told = await swarm.waitForFeed(() => true)
  const { report } = await swarm.waitForFeed(feed => feed.report.updates > told.report.updates)
  const rejections = report.rollouts.rejected
  expect(Object.keys(rejections).filter(reason => (rejections[reason as keyof typeof rejections] ?? 0) > 0).toSorted()).toEqual(Object.keys(LIES).toSorted())
  const honest = report.peers.filter(({ rejected }) => rejected === 0)
  expect(honest).toHaveLength(1)
  expect(report.peers).toHaveLength(1 + Object.keys(LIES).length)
  await swarm.stopTrainer()
})
