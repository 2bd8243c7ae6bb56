/**
 * How much may be leased so that it can still be learnt within the staleness budget. In rollouts this is the rule of
 * AReaL (Fu et al. 2025, "AReaL", §5.1), (S + version + 1)·B − consumed − buffered − in flight, written per group and
 * extended to peers that are behind: the group at position q of the queue is learnt ⌊q / P⌋ steps after the next one.
 */
export interface AdmissionRule {
  /** S, in versions; 0 in sequential mode. */
  readonly stalenessBudget: number
  /** P: groups that one learner step takes. */
  readonly groupsPerBatch: number
}

/**
 * The groups at the head of the queue, present ones and ones to be opened, whose samples may be leased at `version`.
 * @param nextLearntAt version of the policy that the next learner step starts from
 * @returns a count; 0 when a rollout of `version` would be too old wherever it stood
 */
export function admissibleGroups(rule: AdmissionRule, nextLearntAt: number, version: number): number {
  return Math.max(0, rule.stalenessBudget - (nextLearntAt - version) + 1) * rule.groupsPerBatch
}
