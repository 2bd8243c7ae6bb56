/** The report of a run: what `--report` writes and what the dashboard shows are this one structure. */
import { count, finite, runId } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { ENGINE_KINDS } from './peer-status.ts'
import { REJECTION_REASONS } from './rollout.ts'
import { v } from './schema.ts'

const rate = v.pipe(finite, v.minValue(0))
const fraction = v.pipe(finite, v.minValue(0), v.maxValue(1))

/** A figure with its 95 % interval. */
export const estimate = v.strictObject({ value: finite, low: finite, high: finite })
export type Estimate = v.InferOutput<typeof estimate>

/** Of k samples a task, at temperature 1. */
export const sampledEvaluation = v.strictObject({
  k: count,
  avg: estimate,
  /** pass@j for j = 1, 2, 4 … and k. */
  pass: v.pipe(v.array(v.strictObject({ j: count, estimate })), v.maxLength(LIMITS.passSeries)),
  maj: estimate
})
export type SampledEvaluation = v.InferOutput<typeof sampledEvaluation>

export const evaluation = v.strictObject({
  /** Greedily. */
  success: fraction,
  n: count,
  /** 95 % interval of `success`. */
  interval: v.optional(v.tuple([fraction, fraction])),
  /** Means of the environment's metrics and of `reward`, greedily. */
  metrics: v.optional(v.record(v.pipe(v.string(), v.maxLength(LIMITS.taskName)), estimate)),
  /** Where the run file asks for samples; in a feed, of the latest evaluation only. */
  sampled: v.optional(sampledEvaluation)
})
export type Evaluation = v.InferOutput<typeof evaluation>

/** The best of the versions that were measured. */
export const bestVersion = v.strictObject({
  version: count,
  /** `success`, or one of the evaluation's metrics. */
  metric: v.pipe(v.string(), v.maxLength(LIMITS.taskName)),
  value: finite
})
export type BestVersion = v.InferOutput<typeof bestVersion>

export const reportedPeer = v.strictObject({
  id: v.string(),
  engine: v.nullable(v.picklist(ENGINE_KINDS)),
  /** Generated tokens received from this peer, whatever became of them. */
  tokens: count,
  accepted: count,
  rejected: count
})
export type ReportedPeer = v.InferOutput<typeof reportedPeer>

/** `updates_done`: all that were planned; `success_reached`: what the run file's `[stop]` asks for; `stopped`: by its operator. */
export const RUN_ENDS = ['updates_done', 'success_reached', 'stopped'] as const
export type RunEnd = (typeof RUN_ENDS)[number]

export const runReport = v.strictObject({
  run: runId,
  mode: v.picklist(['sequential', 'async']),
  stalenessBudget: count,
  seed: count,
  /** Learner steps done. */
  updates: count,
  /** Why no more of them follow; null while the run goes on. */
  end: v.nullable(v.picklist(RUN_ENDS)),
  durationSeconds: rate,
  /** Held-out greedy success; null until measured. */
  eval: v.strictObject({ before: v.nullable(evaluation), after: v.nullable(evaluation) }),
  /** Its checkpoint is kept. Absent until one was measured. */
  best: v.optional(bestVersion),
  /** Mean reward of the rollouts of each update, in order. */
  reward: v.pipe(v.array(finite), v.maxLength(LIMITS.pointsPerSeries)),
  /** In versions, at learning time. `histogram[k]` counts rollouts learnt from at lag k. */
  lag: v.strictObject({ mean: rate, max: count, histogram: v.pipe(v.array(count), v.maxLength(1024)) }),
  /** Turns, in a run whose rollouts have several. */
  rollouts: v.strictObject({
    leased: count,
    accepted: count,
    stale: count,
    rejected: v.record(v.picklist(REJECTION_REASONS), count),
    /** Rollouts whose last turn was accepted. Absent where every rollout has one turn. */
    finished: v.optional(count)
  }),
  throughput: v.strictObject({
    generatedTokensPerSecond: rate,
    learnerTokensPerSecond: rate,
    /** Fraction of the run's time in which the learner was computing a step. */
    learnerBusyFraction: fraction
  }),
  dissemination: v.strictObject({ versions: count, bytesFromOrigin: count, bytesFromPeers: count }),
  peers: v.pipe(v.array(reportedPeer), v.maxLength(LIMITS.peersPerRun))
})
export type RunReport = v.InferOutput<typeof runReport>
