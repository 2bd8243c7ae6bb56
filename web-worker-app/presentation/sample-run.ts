/** A run as the wire describes it, for tests of the views: every field is set, every number differs from its neighbours. */
import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import type { RunDescription } from '#shared/protocol/run-description.ts'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import { createSnapshotCell, type SessionSnapshot, type VolunteerSnapshot } from '../session/session-store.ts'

export const PEER_A = 'a'.repeat(32)
export const PEER_B = 'b'.repeat(32)
export const PEER_GONE = 'c'.repeat(32)
export const PEER_SPARE = 'd'.repeat(32)

export const sampleDescription: RunDescription = {
  run: 'arithmetic-7f3a',
  goal: 'Add, subtract and multiply two numbers.',
  mode: 'async',
  stalenessBudget: 4,
  model: { model_type: 'qwen3' },
  lora: { rank: 8, alpha: 32, targets: ['q_proj', 'v_proj'] },
  publicKey: '0'.repeat(64),
  downloadBytes: 3_245_672,
  versionBytes: 3_245_672
}

export const sampleFeed: RunFeed = {
  report: {
    run: 'arithmetic-7f3a',
    mode: 'async',
    stalenessBudget: 4,
    seed: 17,
    updates: 3,
    end: null,
    durationSeconds: 216.4,
    eval: { before: { success: 0.412, n: 256 }, after: null },
    reward: [0.45, 0.5, 0.61],
    lag: { mean: 1.234, max: 3, histogram: [300, 500, 60, 12] },
    rollouts: { leased: 1024, accepted: 872, stale: 41, rejected: { wrong_version: 3, log_prob_mismatch: 12 } },
    throughput: { generatedTokensPerSecond: 611.2, learnerTokensPerSecond: 1804, learnerBusyFraction: 0.83 },
    dissemination: { versions: 4, bytesFromOrigin: 8_000_000, bytesFromPeers: 24_000_000 },
    peers: [
      { id: PEER_A, engine: 'wasm', tokens: 3100, accepted: 401, rejected: 0 },
      { id: PEER_B, engine: 'webgpu', tokens: 9700, accepted: 460, rejected: 15 },
      { id: PEER_GONE, engine: 'wasm', tokens: 120, accepted: 11, rejected: 0 }
    ]
  },
  phase: 'running',
  updatesPlanned: 12,
  goal: 'Add, subtract and multiply two numbers.',
  task: 'arithmetic',
  metrics: [
    { version: 1, reward: 0.45, fractionZeroStd: 0.3, entropy: 1.1, mismatchKl: 0.002, maskedFraction: 0.01, gradientNorm: 0.9, lagMean: 0, stepSeconds: 2.8 },
    { version: 2, reward: 0.5, fractionZeroStd: 0.28, entropy: 0.9, mismatchKl: 0.004, maskedFraction: 0.01, gradientNorm: 0.5, lagMean: 1, stepSeconds: 2.7 },
    { version: 3, reward: 0.61, fractionZeroStd: 0.26, entropy: 0.8, mismatchKl: 0.003, maskedFraction: 0.01, gradientNorm: 0.7, lagMean: 1.2, stepSeconds: 2.9 }
  ],
  evaluations: [{ version: 2, success: 0.55, n: 256 }],
  inFlight: 96,
  buffered: 31,
  tokensPerSecond: 624.6,
  peers: [
    {
      id: PEER_A,
      status: { state: 'fetching', engine: 'wasm', version: 2, tokens: 3150, tokensPerSecond: 0, bytesFromOrigin: 91_000, bytesFromPeers: 3_900_000, links: 1, paths: [{ peer: PEER_B, path: 'turn', roundTripMs: 41.5, bytesSent: 95_000, bytesReceived: 3_950_000 }] },
      accepted: 401,
      rejected: 0
    },
    {
      id: PEER_B,
      status: { state: 'generating', engine: 'webgpu', version: 3, tokens: 9800, tokensPerSecond: 412.3, bytesFromOrigin: 4_200_000, bytesFromPeers: 0, links: 1, paths: [{ peer: PEER_A, path: 'turn_tcp', roundTripMs: 40.2, bytesSent: 3_960_000, bytesReceived: 94_000 }] },
      accepted: 460,
      rejected: 15
    }
  ],
  latestRollouts: [
    { id: '40/1', peer: PEER_B, version: 3, prompt: '12+35=', completion: '47', outcome: 'accepted', reward: 1, reason: null },
    { id: '40/2', peer: PEER_B, version: 3, prompt: '12+35=', completion: '<b>48</b>', outcome: 'rejected', reward: null, reason: 'log_prob_mismatch' },
    { id: '39/0', peer: PEER_A, version: 0, prompt: '7*8=', completion: '56', outcome: 'stale', reward: null, reason: null }
  ]
}

/** Two tabs share a model of four layers, a third one stands by; the pipeline before lost a tab. */
export const sampleCoverage: LayerCoverage = {
  run: 'arithmetic-7f3a',
  layers: 4,
  hosts: [
    { peer: PEER_B, layers: { start: 2, end: 4 }, state: 'ready', decodeMs: 6.25, rows: 3 },
    { peer: PEER_A, layers: { start: 0, end: 2 }, state: 'ready', decodeMs: 4.5, rows: 3 },
    { peer: PEER_SPARE, layers: { start: 2, end: 3 }, state: 'assigned', decodeMs: null, rows: 0 }
  ],
  pipelines: [{ pipeline: 2, stages: [PEER_A, PEER_B], open: true, spared: false, versions: [2, 3], relayed: [1] }],
  missing: [],
  waiting: 0,
  recent: [
    {
      key: 'completion-18',
      version: 3,
      chains: [
        [
          { peer: PEER_A, layers: { start: 0, end: 2 } },
          { peer: PEER_GONE, layers: { start: 2, end: 4 } }
        ],
        [
          { peer: PEER_A, layers: { start: 0, end: 2 } },
          { peer: PEER_B, layers: { start: 2, end: 4 } }
        ]
      ],
      tokens: 21,
      firstTokenMs: 340,
      totalMs: 2840,
      end: null
    },
    { key: 'completion-17', version: 2, chains: [[{ peer: PEER_GONE, layers: { start: 0, end: 4 } }]], tokens: 1, firstTokenMs: 95, totalMs: 95, end: 'stop' },
    { key: 'completion-16', version: 2, chains: [], tokens: 0, firstTokenMs: null, totalMs: 10_000, end: 'refused' }
  ],
  breaks: [{ pipeline: 1, peer: PEER_GONE, cause: 'silent', sequences: 3, detectedAfterMs: 1510, recoveredAfterMs: 420 }]
}

/** A session's snapshot that differs from that of a fresh page by `change`. */
export function sampleSnapshot(change: Partial<Omit<SessionSnapshot, 'volunteer'>> = {}, volunteer: Partial<VolunteerSnapshot> = {}): SessionSnapshot {
  const cell = createSnapshotCell()
  cell.update({ connection: 'online', ...change, volunteer })
  return cell.getSnapshot()
}
