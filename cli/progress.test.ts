import type { RunFeed } from '#shared/protocol/run-feed.ts'
import { expect, test } from 'vitest'
import { ProgressView, renderBlock, renderLine, renderResult, sparkline } from './progress.ts'

function createFeed(updates: number, phase: RunFeed['phase'] = 'running'): RunFeed {
  return {
    report: {
      run: 'reverse-1',
      mode: 'async',
      stalenessBudget: 4,
      seed: 7,
      updates,
      end: null,
      durationSeconds: 83.4,
      eval: { before: { success: 0.412, n: 256 }, after: null },
      reward: Array.from({ length: updates }, (_, step) => step / 10),
      lag: { mean: 1.25, max: 3, histogram: [1, 2, 3, 4] },
      rollouts: { leased: 100, accepted: 90, stale: 4, rejected: { wrong_seed: 2, not_holder: 1 } as RunFeed['report']['rollouts']['rejected'] },
      throughput: { generatedTokensPerSecond: 800, learnerTokensPerSecond: 640, learnerBusyFraction: 0.5 },
      dissemination: { versions: updates + 1, bytesFromOrigin: 3_400_000, bytesFromPeers: 12_000 },
      peers: []
    },
    phase,
    updatesPlanned: 40,
    goal: 'reverse ten letters',
    task: 'reverse',
    metrics: [],
    evaluations: [],
    inFlight: 12,
    buffered: 3,
    tokensPerSecond: 812.4,
    peers: [],
    latestRollouts: []
  }
}

test('the block and the line tell what the feed says', () => {
  const block = renderBlock(createFeed(5)).join('\n')
  for (const part of ['5 / 40', '0.400', '41.2 % of 256', 'mean 1.25, max 3', '812 generated', '90 accepted, 4 stale, 3 rejected (wrong_seed 2, not_holder 1)', '3.4 MB from the origin, 12 kB from peers', '1:23']) {
    expect(block).toContain(part)
  }
  expect(renderLine(createFeed(5))).toBe('step 5/40 · reward 0.400 · lag 1.25 (max 3) · 812 token/s · accepted 90 · stale 4 · rejected 3 · peers 0')
})

test('the result tells what the run was for', () => {
  const { report } = createFeed(40)
  const after = { success: 0.9375, n: 256 }
  expect(renderResult({ ...report, eval: { ...report.eval, after } })).toBe('Finished: 40 updates in 1:23; held-out success 41.2 % of 256 → 93.8 % of 256.')
})

test('a sparkline spans the values it shows', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 40)).toBe('▁▂▃▄▅▆▇█')
  expect(sparkline([9, 9, 0, 7], 2)).toBe('▁█')
  expect(sparkline([3, 3], 40)).toBe('▁▁')
  expect(sparkline([], 40)).toBe('')
})

test('a terminal gets one block that is rewritten; lines said meanwhile stay above it', () => {
  let written = ''
  const view = new ProgressView({ isTTY: true, columns: 60, write: text => (written += text) })
  view.show(createFeed(1))
  view.show(createFeed(2))
  view.say('a line')
  view.show(createFeed(3))
  expect(written.split('\u001B[9F\u001B[J')).toHaveLength(3)
  expect(written).toContain('\u001B[Ja line\n')
  expect(Math.max(...written.split('\n').map(line => line.length))).toBeLessThan(75)
})

test('elsewhere there is one line per learner step and phase', () => {
  const lines: string[] = []
  const view = new ProgressView({ write: text => lines.push(text) })
  for (const feed of [createFeed(1), createFeed(1), createFeed(2), createFeed(2, 'finished')]) view.show(feed)
  expect(lines).toHaveLength(3)
  expect(lines[2]).toMatch(/^finished: step 2\/40/)
})
