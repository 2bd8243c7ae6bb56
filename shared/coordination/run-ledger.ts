/**
 * The books of a run, kept beside the coordinator's state, and the two views of them: the report and the live feed. Both
 * are written by the same function, so a dashboard and a report file cannot disagree. Plain data; JSON is its snapshot.
 */
import type { PeerId, RunId } from '../protocol/identifiers.ts'
import { LIMITS } from '../protocol/limits.ts'
import type { PeerStatus } from '../protocol/peer-status.ts'
import type { LearnerMetrics, RunFeed, ShownRollout } from '../protocol/run-feed.ts'
import type { BestVersion, Evaluation, RunEnd, RunReport } from '../protocol/run-report.ts'
import type { CoordinatorState } from './coordinator-state.ts'
import { backlog } from './coordinator.ts'
import { summariseLag } from './staleness.ts'

export interface RunFacts {
  readonly run: RunId
  readonly goal: string
  /** Name of the environment. */
  readonly task: string
  readonly mode: 'sequential' | 'async'
  readonly stalenessBudget: number
  readonly seed: number
  readonly updatesPlanned: number
  /** Most turns of a rollout. */
  readonly turns: number
}

export interface LedgerPeer {
  status: PeerStatus | null
  present: boolean
  /** Completion tokens received, whatever became of them. */
  tokens: number
  accepted: number
  rejected: number
}

export interface RunLedger {
  readonly facts: RunFacts
  phase: RunFeed['phase']
  /** Null while the run goes on. */
  end: RunEnd | null
  /** Seconds that the run took in processes before this one. */
  earlierSeconds: number
  startedMs: number
  learnerBusySeconds: number
  learntTokens: number
  before: Evaluation | null
  after: Evaluation | null
  metrics: LearnerMetrics[]
  evaluations: RunFeed['evaluations']
  /** Of those that were measured; whoever keeps the checkpoints says which. */
  best: BestVersion | null
  peers: Record<PeerId, LedgerPeer>
  /** Newest first. */
  latestRollouts: ShownRollout[]
  /** Tokens received in each of the last seconds, for the feed. */
  recentTokens: { second: number; tokens: number }[]
}

const RATE_WINDOW_SECONDS = 10

export function createRunLedger(facts: RunFacts, nowMs: number): RunLedger {
  return {
    facts,
    phase: 'starting',
    end: null,
    earlierSeconds: 0,
    startedMs: nowMs,
    learnerBusySeconds: 0,
    learntTokens: 0,
    before: null,
    after: null,
    metrics: [],
    evaluations: [],
    best: null,
    peers: {},
    latestRollouts: [],
    recentTokens: []
  }
}

/** Goes on with the books of a process that ended; the time between does not count. */
export function resumeRunLedger(ledger: RunLedger, facts: RunFacts, nowMs: number): RunLedger {
  const peers = Object.fromEntries(Object.entries(ledger.peers).map(([id, peer]) => [id, { ...peer, present: false }]))
  return { ...ledger, facts, peers, phase: 'starting', end: null, startedMs: nowMs, after: null, recentTokens: [] }
}

export function ledgerPeer(ledger: RunLedger, id: PeerId): LedgerPeer {
  return (ledger.peers[id] ??= { status: null, present: true, tokens: 0, accepted: 0, rejected: 0 })
}

export function durationSeconds(ledger: RunLedger, nowMs: number): number {
  return ledger.earlierSeconds + Math.max(0, nowMs - ledger.startedMs) / 1000
}

export function noteTokens(ledger: RunLedger, peer: PeerId, tokens: number, nowMs: number): void {
  ledgerPeer(ledger, peer).tokens += tokens
  const second = Math.floor(nowMs / 1000)
  const last = ledger.recentTokens.at(-1)
  if (last?.second === second) last.tokens += tokens
  else ledger.recentTokens.push({ second, tokens })
  while ((ledger.recentTokens[0]?.second ?? second) <= second - RATE_WINDOW_SECONDS) ledger.recentTokens.shift()
}

export function noteVerdict(ledger: RunLedger, id: PeerId, outcome: ShownRollout['outcome']): void {
  const peer = ledgerPeer(ledger, id)
  if (outcome === 'accepted') peer.accepted++
  if (outcome === 'rejected') peer.rejected++
}

/** A rollout that came to its end, or a turn that did not count. */
export function showRollout(ledger: RunLedger, shown: ShownRollout): void {
  ledger.latestRollouts = [shortened(shown), ...ledger.latestRollouts].slice(0, LIMITS.rolloutsInFeed)
}

/** Texts as long as a feed may carry; of earlier turns, the last ones that fit. A part of a record is none. */
function shortened({ earlier, record, prompt, completion, ...shown }: ShownRollout): ShownRollout {
  const short = { ...shown, prompt: prompt.slice(0, LIMITS.textInFeed), completion: completion.slice(0, LIMITS.textInFeed), ...(record !== undefined && record.length <= LIMITS.textInFeed && { record }) }
  if (earlier === undefined) return short
  let room: number = LIMITS.textInFeed
  const first = earlier.findLastIndex(turn => (room -= turn.prompt.length + turn.completion.length) < 0)
  return { ...short, earlier: earlier.slice(first + 1) }
}

export function noteStep(ledger: RunLedger, metrics: LearnerMetrics, learntTokens: number): void {
  ledger.metrics.push(metrics)
  ledger.learnerBusySeconds += metrics.stepSeconds
  ledger.learntTokens += learntTokens
}

/** The first one, of the base model, is the report's `before`. What samples said is kept of the latest only: the books are stored and shown often. */
export function noteEvaluation(ledger: RunLedger, version: number, evaluation: Evaluation): void {
  ledger.before ??= evaluation
  ledger.evaluations = [...ledger.evaluations.map(withoutSamples), { version, ...evaluation }]
}

function withoutSamples(evaluation: RunFeed['evaluations'][number]): RunFeed['evaluations'][number] {
  const { sampled: _, ...others } = evaluation
  return others
}

/** The report so far. */
export function buildReport(ledger: RunLedger, coordinator: CoordinatorState, nowMs: number): RunReport {
  const { run, mode, stalenessBudget, seed } = ledger.facts
  const seconds = durationSeconds(ledger, nowMs)
  const peers = Object.entries(ledger.peers)
  const perSecond = (amount: number): number => (seconds > 0 ? amount / seconds : 0)
  return {
    run,
    mode,
    stalenessBudget,
    seed,
    updates: coordinator.version,
    end: ledger.end,
    durationSeconds: seconds,
    eval: { before: ledger.before, after: ledger.after },
    ...(ledger.best !== null && { best: ledger.best }),
    reward: ledger.metrics.map(({ reward }) => reward),
    lag: { ...summariseLag(coordinator.lagHistogram), histogram: [...coordinator.lagHistogram] },
    rollouts: countedRollouts(coordinator, ledger.facts),
    throughput: {
      generatedTokensPerSecond: perSecond(total(peers, peer => peer.tokens)),
      learnerTokensPerSecond: perSecond(ledger.learntTokens),
      learnerBusyFraction: Math.min(1, perSecond(ledger.learnerBusySeconds))
    },
    dissemination: {
      versions: coordinator.version + 1,
      bytesFromOrigin: total(peers, peer => peer.status?.bytesFromOrigin ?? 0),
      bytesFromPeers: total(peers, peer => peer.status?.bytesFromPeers ?? 0)
    },
    peers: peers.map(([id, { status, tokens, accepted, rejected }]) => ({ id, engine: status?.engine ?? null, tokens, accepted, rejected }))
  }
}

function countedRollouts({ counters: { finished, ...turns } }: CoordinatorState, facts: RunFacts): RunReport['rollouts'] {
  return { ...turns, rejected: { ...turns.rejected }, ...(facts.turns > 1 && { finished }) }
}

/** The report and what only matters while the run goes on. */
export function buildFeed(ledger: RunLedger, coordinator: CoordinatorState, nowMs: number): RunFeed {
  const second = Math.floor(nowMs / 1000)
  const recent = ledger.recentTokens.filter(bucket => bucket.second > second - RATE_WINDOW_SECONDS)
  return {
    report: buildReport(ledger, coordinator, nowMs),
    phase: ledger.phase,
    updatesPlanned: ledger.facts.updatesPlanned,
    goal: ledger.facts.goal,
    task: ledger.facts.task,
    metrics: [...ledger.metrics],
    evaluations: [...ledger.evaluations],
    ...backlog(coordinator),
    tokensPerSecond: recent.reduce((sum, bucket) => sum + bucket.tokens, 0) / RATE_WINDOW_SECONDS,
    peers: peersInFeed(ledger),
    latestRollouts: [...ledger.latestRollouts]
  }
}

/** All who are here, and the paths of as many as fit. */
function peersInFeed(ledger: RunLedger): RunFeed['peers'] {
  let paths = 0
  return Object.entries(ledger.peers).flatMap(([id, { status, present, accepted, rejected }]) => {
    if (!present || status === null) return []
    paths += status.paths?.length ?? 0
    if (paths <= LIMITS.pathsInFeed) return [{ id, status, accepted, rejected }]
    const { paths: _, ...withoutPaths } = status
    return [{ id, status: withoutPaths, accepted, rejected }]
  })
}

function total(peers: readonly (readonly [string, LedgerPeer])[], amount: (peer: LedgerPeer) => number): number {
  return peers.reduce((sum, [, peer]) => sum + amount(peer), 0)
}
