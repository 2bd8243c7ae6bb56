/**
 * Pipelines that cost the others more than they bring are spared: tabs may share a machine or an uplink, and nothing that a tab
 * measures shows it. So it is tried: one pipeline is taken out of use for people's requests, or back into use, and stays so if
 * answers then grow no slower, or clearly faster. The pace of an answer, waiting included, is tokens per second over requests
 * open (Little 1961, "A proof for the queuing formula L = λW"), whether people ask more when they are answered sooner or not.
 */
import type { PipelineId } from '../pipeline/stage-work.ts'

/** A measurement takes at least so long and so many tokens. If these do not come in time, there is too little to do for a trial. */
const WINDOW_MS = 3_000
const WINDOW_TOKENS = 500
const WINDOW_MOST_MS = 20_000
/** From a change until it has its full effect. What was asked of a pipeline that is spared has to end first. */
const SETTLE_MS = 1_000
const SETTLE_MOST_MS = 20_000
/** From a trial to the next of the same pipeline; twice as long after each that changed nothing. */
const REST_MS = 60_000
const REST_MOST_MS = 16 * REST_MS
/** After one that told nothing. */
const SHORT_REST_MS = 2_000
/** A pipeline comes back only if it helps by so much: it is somebody's electricity. */
const WORTH_COMING_BACK = 1.05
/** Requests open in two measurements that differ by more than this part were another load. */
const SAME_LOAD = 0.25

/** What it is told of an open pipeline. */
export interface SparablePipeline {
  readonly id: PipelineId
  readonly stages: number
  /** @returns the cost of a token, as expected */
  tokenMs(): number
  /** Requests that it serves. */
  readonly serves: number
}

interface Pace {
  /** Of one open request. */
  readonly tokensPerSecond: number
  /** Mean number of them. */
  readonly open: number
}

interface Trial {
  readonly pipeline: PipelineId
  /** All that were open when it began: with others it would prove nothing. */
  readonly among: string
  phase: 'before' | 'settling' | 'after'
  before: Pace | undefined
}

/** Plain data, changed in place. */
export interface PipelineSparing {
  readonly spared: Set<PipelineId>
  /** When each may be tried again, and how long it rested until then. */
  readonly rests: Map<PipelineId, { readonly until: number; readonly ms: number }>
  trial: Trial | undefined
  /** Of the measurement or settling that goes on. */
  since: number
  tokens: number
  /** Requests open, times milliseconds. */
  openMs: number
  countedAt: number
  requests: number
}

export function createSparing(): PipelineSparing {
  return { spared: new Set(), rests: new Map(), trial: undefined, since: 0, tokens: 0, openMs: 0, countedAt: 0, requests: 0 }
}

/** @returns those that are not spared; all of them, if nothing else is there */
export function pipelinesInUse<Pipeline extends { readonly id: PipelineId }>({ spared }: PipelineSparing, pipelines: readonly Pipeline[]): readonly Pipeline[] {
  const used = pipelines.filter(({ id }) => !spared.has(id))
  return used.length > 0 ? used : pipelines
}

/**
 * Begins, goes on with and ends trials. Call it whenever anything happened, before requests are dispatched.
 * @param open pipelines
 * @param requests of people that have not ended
 */
export function weighSparing(sparing: PipelineSparing, open: readonly SparablePipeline[], requests: number, now: number): void {
  sparing.openMs += sparing.requests * (now - sparing.countedAt)
  sparing.countedAt = now
  sparing.requests = requests
  if (sparing.trial !== undefined) continueTrial(sparing, sparing.trial, open, now)
  const ids = new Set(open.map(({ id }) => id))
  for (const known of [sparing.spared, sparing.rests]) for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
  if (sparing.trial === undefined) beginTrial(sparing, open, undefined, now)
}

/** @returns when something is to be decided if nothing happens before; Infinity: when something happens */
export function sparingDeadline({ trial, since, tokens }: PipelineSparing): number {
  if (trial === undefined) return Infinity
  if (trial.phase === 'settling') return since + SETTLE_MOST_MS
  return since + (tokens < WINDOW_TOKENS ? WINDOW_MOST_MS : WINDOW_MS)
}

function beginTrial(sparing: PipelineSparing, open: readonly SparablePipeline[], before: Pace | undefined, now: number): void {
  const { spared, rests } = sparing
  const isRested = ({ id }: SparablePipeline): boolean => now >= (rests.get(id)?.until ?? 0)
  const used = open.filter(({ id }) => !spared.has(id))
  // What proved useless once goes first: it may have been for another load.
  const candidate = open.find(pipeline => spared.has(pipeline.id) && isRested(pipeline)) ?? (used.length > 1 ? costliest(used.filter(isRested)) : undefined)
  if (candidate === undefined || sparing.requests === 0) return
  sparing.trial = { pipeline: candidate.id, among: names(open), phase: 'before', before }
  restartMeasuring(sparing, now)
  if (before !== undefined) change(sparing, sparing.trial)
}

function continueTrial(sparing: PipelineSparing, trial: Trial, open: readonly SparablePipeline[], now: number): void {
  const elapsed = now - sparing.since
  if (trial.among !== names(open)) return giveUp(sparing, trial, now)
  if (trial.phase === 'settling') {
    const { serves } = open.find(({ id }) => id === trial.pipeline)!
    if (elapsed >= SETTLE_MS && (serves === 0 || !sparing.spared.has(trial.pipeline))) {
      trial.phase = 'after'
      restartMeasuring(sparing, now)
    } else if (elapsed >= SETTLE_MOST_MS) giveUp(sparing, trial, now)
    return
  }
  if (elapsed < WINDOW_MS || sparing.tokens < WINDOW_TOKENS) {
    if (elapsed >= WINDOW_MOST_MS) giveUp(sparing, trial, now)
    return
  }
  const pace: Pace = { tokensPerSecond: (1000 * sparing.tokens) / sparing.openMs, open: sparing.openMs / elapsed }
  if (trial.before === undefined) {
    trial.before = pace
    change(sparing, trial)
    restartMeasuring(sparing, now)
  } else conclude(sparing, trial, trial.before, pace, open, now)
}

function conclude(sparing: PipelineSparing, trial: Trial, before: Pace, after: Pace, open: readonly SparablePipeline[], now: number): void {
  if (Math.abs(after.open - before.open) > SAME_LOAD * before.open) return giveUp(sparing, trial, now)
  const isSpared = sparing.spared.has(trial.pipeline)
  const isBetter = after.tokensPerSecond >= before.tokensPerSecond * (isSpared ? 1 : WORTH_COMING_BACK)
  if (!isBetter) toggle(sparing.spared, trial.pipeline)
  const rested = sparing.rests.get(trial.pipeline)?.ms ?? 0
  const ms = isBetter || rested === 0 ? REST_MS : Math.min(REST_MOST_MS, 2 * rested)
  sparing.rests.set(trial.pipeline, { until: now + ms, ms })
  sparing.trial = undefined
  beginTrial(sparing, open, isBetter ? after : undefined, now)
}

/** It told nothing: everything is as before, and it may be repeated soon. */
function giveUp(sparing: PipelineSparing, trial: Trial, now: number): void {
  if (trial.phase !== 'before') toggle(sparing.spared, trial.pipeline)
  sparing.rests.set(trial.pipeline, { until: now + SHORT_REST_MS, ms: sparing.rests.get(trial.pipeline)?.ms ?? 0 })
  sparing.trial = undefined
}

function change(sparing: PipelineSparing, trial: Trial): void {
  toggle(sparing.spared, trial.pipeline)
  trial.phase = 'settling'
}

function toggle(spared: Set<PipelineId>, pipeline: PipelineId): void {
  if (!spared.delete(pipeline)) spared.add(pipeline)
}

function restartMeasuring(sparing: PipelineSparing, now: number): void {
  sparing.since = now
  sparing.tokens = 0
  sparing.openMs = 0
}

/** Hidden states cost processor and uplink at both ends, which no stage's own measurements show: the most stages first. */
function costliest(pipelines: readonly SparablePipeline[]): SparablePipeline | undefined {
  const costs = new Map(pipelines.map(pipeline => [pipeline, pipeline.tokenMs()]))
  return pipelines.toSorted((left, right) => right.stages - left.stages || costs.get(right)! - costs.get(left)!)[0]
}

function names(pipelines: readonly SparablePipeline[]): string {
  return pipelines.map(({ id }) => id).join()
}
