/**
 * How far ahead of the learner is leased: as far as its next batch takes to be complete in time, and no further, because
 * whatever lies ready only grows stale. The staleness budget stays the hard limit (admission.ts).
 */
import type { AdmissionRule } from './admission.ts'

/** Parts of a batch. Growing is faster than shrinking: a learner that waits costs more than a little lag. */
const GROWTH = 1 / 4
const SHRINKAGE = 1 / 8
/** Finished groups beyond the batch that may lie ready when a step begins. */
const SURPLUS = 1 / 4

export interface Pace {
  /** Groups of the queue that are leased while the learner computes. */
  lookahead: number
  /** Whether it waits for a batch. */
  learnerFree: boolean
}

/**
 * The groups at the head of the queue whose samples may be leased now. While the learner waits for the last of a batch,
 * peers that have nothing to do begin the next one: a slow peer at the head of the queue must hold up nobody.
 */
export function pacedGroups({ groupsPerBatch }: AdmissionRule, { lookahead, learnerFree }: Pace): number {
  return lookahead + (learnerFree ? groupsPerBatch : 0)
}

/** @returns groups; one batch, the least that keeps peers at work while the learner computes */
export function leastLookahead({ groupsPerBatch }: AdmissionRule): number {
  return groupsPerBatch
}

/** After the learner became free and found no batch. */
export function lengthened(rule: AdmissionRule, lookahead: number): number {
  return Math.min((rule.stalenessBudget + 1) * rule.groupsPerBatch, lookahead + Math.ceil(rule.groupsPerBatch * GROWTH))
}

/** After the learner found its batch ready, and `surplus` complete groups beyond it. */
export function shortened(rule: AdmissionRule, lookahead: number, surplus: number): number {
  if (surplus <= rule.groupsPerBatch * SURPLUS) return lookahead
  return Math.max(leastLookahead(rule), lookahead - Math.ceil(rule.groupsPerBatch * SHRINKAGE))
}
