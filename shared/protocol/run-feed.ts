/** The live feed: the report so far plus what only matters while the run goes on. Volunteer page, dashboard and terminal read it. */
import { count, finite, peerId, policyVersion, rolloutId } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { peerStatus } from './peer-status.ts'
import { evaluation, runReport } from './run-report.ts'
import { v } from './schema.ts'

const text = v.pipe(v.string(), v.maxLength(LIMITS.textInFeed))

export const shownRollout = v.strictObject({
  id: rolloutId,
  peer: peerId,
  /** Of its last turn. */
  version: policyVersion,
  /** Turns before the one that `prompt` and `completion` show, oldest first; those that did not fit are left out. */
  earlier: v.optional(v.pipe(v.array(v.strictObject({ prompt: text, completion: text })), v.maxLength(LIMITS.turnsPerRollout))),
  /** What the policy was shown: the task's prompt, or what it was told after an earlier turn. */
  prompt: text,
  completion: text,
  /** The whole episode in the standard form of its task, where there is one and it has come to its end. */
  record: v.optional(text),
  outcome: v.picklist(['accepted', 'stale', 'rejected']),
  /** Reward when accepted, else null. */
  reward: v.nullable(finite),
  reason: v.nullable(v.string())
})
export type ShownRollout = v.InferOutput<typeof shownRollout>

/** Metrics of one learner step, named as in GRPO codes. */
export const learnerMetrics = v.strictObject({
  version: policyVersion,
  reward: finite,
  fractionZeroStd: finite,
  entropy: finite,
  mismatchKl: finite,
  maskedFraction: finite,
  gradientNorm: finite,
  lagMean: finite,
  stepSeconds: finite,
  /** Of the curriculum, for prompts after this step; absent without one. */
  level: v.optional(count)
})
export type LearnerMetrics = v.InferOutput<typeof learnerMetrics>

export const runFeed = v.strictObject({
  report: runReport,
  phase: v.picklist(['starting', 'evaluating', 'running', 'finished', 'stopped']),
  /** Learner steps after which the run ends. */
  updatesPlanned: count,
  goal: v.pipe(v.string(), v.maxLength(500)),
  /** Name of the environment, by which pages choose how to show a rollout. */
  task: v.pipe(v.string(), v.maxLength(LIMITS.taskName)),
  metrics: v.pipe(v.array(learnerMetrics), v.maxLength(LIMITS.pointsPerSeries)),
  evaluations: v.pipe(v.array(v.strictObject({ version: policyVersion, ...evaluation.entries })), v.maxLength(LIMITS.pointsPerSeries)),
  inFlight: count,
  buffered: count,
  /** Recent generated tokens per second over all peers. */
  tokensPerSecond: finite,
  peers: v.pipe(v.array(v.strictObject({ id: peerId, status: peerStatus, accepted: count, rejected: count })), v.maxLength(LIMITS.peersPerRun)),
  latestRollouts: v.pipe(v.array(shownRollout), v.maxLength(LIMITS.rolloutsInFeed))
})
export type RunFeed = v.InferOutput<typeof runFeed>
