import { describe, expect, test } from 'vitest'
import { decode } from '../protocol/schema.ts'
import { LIMITS } from '../protocol/limits.ts'
import { runFeed } from '../protocol/run-feed.ts'
import { runReport } from '../protocol/run-report.ts'
import type { PeerStatus } from '../protocol/peer-status.ts'
import { createCoordinator } from './coordinator-state.ts'
import { buildFeed, buildReport, createRunLedger, durationSeconds, ledgerPeer, noteEvaluation, noteStep, noteTokens, noteVerdict, resumeRunLedger, showRollout } from './run-ledger.ts'

const facts = { run: 'sums-1', goal: 'Learns to add.', task: 'arithmetic', mode: 'async', stalenessBudget: 4, seed: 1, updatesPlanned: 10, turns: 1 } as const
const ADA = 'a'.repeat(32)
const BOB = 'b'.repeat(32)
const status: PeerStatus = { state: 'generating', engine: 'wasm', version: 1, tokens: 5, tokensPerSecond: 2, bytesFromOrigin: 100, bytesFromPeers: 30, links: 1 }
const step = { version: 1, reward: 0.5, fractionZeroStd: 0.1, entropy: 1, mismatchKl: 0.01, maskedFraction: 0.02, gradientNorm: 0.3, lagMean: 1.5, stepSeconds: 2 }

function eventful() {
  const coordinator = createCoordinator({ stalenessBudget: 4, groupsPerBatch: 2, groupSize: 2, leaseDurationMs: 300 })
  coordinator.version = 1
  coordinator.counters = { leased: 8, accepted: 5, stale: 1, rejected: { wrong_seed: 2 }, finished: 5 }
  coordinator.lagHistogram = [1, 0, 3]
  const ledger = createRunLedger(facts, 1000)
  noteEvaluation(ledger, 0, { success: 0.25, n: 8 })
  noteTokens(ledger, ADA, 30, 2000)
  noteTokens(ledger, BOB, 10, 9000)
  ledgerPeer(ledger, ADA).status = status
  noteVerdict(ledger, ADA, 'accepted')
  noteVerdict(ledger, BOB, 'rejected')
  showRollout(ledger, { id: '0/0', peer: ADA, version: 0, prompt: '1+1=', completion: '2', outcome: 'accepted', reward: 1, reason: null })
  showRollout(ledger, { id: '0/1', peer: BOB, version: 0, prompt: '1+1=', completion: '3', outcome: 'rejected', reward: null, reason: 'wrong_seed' })
  noteStep(ledger, step, 20)
  return { ledger, coordinator }
}

describe('the books of a run', () => {
  test('give a report that satisfies its schema', () => {
    const { ledger, coordinator } = eventful()
    const report = buildReport(ledger, coordinator, 11_000)
    expect(decode(runReport, report)).toEqual({ kind: 'ok', value: report })
    expect(report).toEqual({
      run: 'sums-1',
      mode: 'async',
      stalenessBudget: 4,
      seed: 1,
      updates: 1,
      end: null,
      durationSeconds: 10,
      eval: { before: { success: 0.25, n: 8 }, after: null },
      reward: [0.5],
      lag: { mean: 1.5, max: 2, histogram: [1, 0, 3] },
      rollouts: { leased: 8, accepted: 5, stale: 1, rejected: { wrong_seed: 2 } },
      throughput: { generatedTokensPerSecond: 4, learnerTokensPerSecond: 2, learnerBusyFraction: 0.2 },
      dissemination: { versions: 2, bytesFromOrigin: 100, bytesFromPeers: 30 },
      peers: [
        { id: ADA, engine: 'wasm', tokens: 30, accepted: 1, rejected: 0 },
        { id: BOB, engine: null, tokens: 10, accepted: 0, rejected: 1 }
      ]
    })
  })

  test('give a feed with the paths of as many peers as a message can take', () => {
    const { ledger, coordinator } = eventful()
    const paths = Array.from({ length: LIMITS.pathsPerPeer }, () => ({ peer: BOB, path: 'direct', roundTripMs: 1, bytesSent: 1, bytesReceived: 1 }) as const)
    const peers = Math.ceil(LIMITS.pathsInFeed / LIMITS.pathsPerPeer) + 3
    for (let n = 0; n < peers; n++) ledgerPeer(ledger, n.toString(16).padStart(32, '0')).status = { ...status, paths }
    const feed = buildFeed(ledger, coordinator, 11_000)
    expect(decode(runFeed, feed)).toEqual({ kind: 'ok', value: feed })
    const told = feed.peers.flatMap(peer => peer.status.paths ?? [])
    expect(told.length).toBeGreaterThan(LIMITS.pathsInFeed - LIMITS.pathsPerPeer)
    expect(told.length).toBeLessThanOrEqual(LIMITS.pathsInFeed)
    expect(feed.peers).toHaveLength(peers + 1)
  })

  test('give a feed that contains the very same report, and only peers that are here', () => {
    const { ledger, coordinator } = eventful()
    const feed = buildFeed(ledger, coordinator, 11_000)
    expect(decode(runFeed, feed)).toEqual({ kind: 'ok', value: feed })
    expect(feed.report).toEqual(buildReport(ledger, coordinator, 11_000))
    expect(feed.latestRollouts.map(({ id }) => id)).toEqual(['0/1', '0/0'])
    expect(feed.peers.map(({ id }) => id)).toEqual([ADA])
    ledgerPeer(ledger, ADA).present = false
    expect(buildFeed(ledger, coordinator, 11_000).peers).toEqual([])
  })

  test('of a run with several turns count finished rollouts, too, and show of a long one the last turns', () => {
    const { ledger, coordinator } = eventful()
    const several = { ...ledger, facts: { ...facts, turns: 8 } }
    expect(buildReport(several, coordinator, 11_000).rollouts).toEqual({ leased: 8, accepted: 5, stale: 1, rejected: { wrong_seed: 2 }, finished: 5 })
    const earlier = Array.from({ length: 7 }, (_, turn) => ({ prompt: String(turn).repeat(LIMITS.textInFeed / 8), completion: String(turn).repeat(LIMITS.textInFeed / 8) }))
    showRollout(several, { id: '1/0', peer: ADA, version: 1, earlier, prompt: 'last', completion: 'last', outcome: 'accepted', reward: 1, reason: null })
    const feed = buildFeed(several, coordinator, 11_000)
    expect(decode(runFeed, feed)).toEqual({ kind: 'ok', value: feed })
    expect(feed.latestRollouts[0]!.earlier!.map(({ prompt }) => prompt[0])).toEqual(['3', '4', '5', '6'])
  })

  test('forget old tokens in the recent rate, not in the mean', () => {
    const { ledger, coordinator } = eventful()
    expect(buildFeed(ledger, coordinator, 11_000).tokensPerSecond).toBe(4)
    expect(buildFeed(ledger, coordinator, 12_000).tokensPerSecond).toBe(1)
    expect(buildFeed(ledger, coordinator, 30_000).tokensPerSecond).toBe(0)
  })

  test('of a resumed run do not count the time between two processes, and have no end yet', () => {
    const { ledger } = eventful()
    ledger.earlierSeconds = durationSeconds(ledger, 11_000)
    ledger.end = 'stopped'
    const resumed = resumeRunLedger(JSON.parse(JSON.stringify(ledger)) as typeof ledger, facts, 500_000)
    expect(durationSeconds(resumed, 501_000)).toBe(11)
    expect(resumed.metrics).toEqual([step])
    expect(resumed.end).toBeNull()
  })
})
