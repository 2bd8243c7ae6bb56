import type { CoordinatorState } from './coordinator-state.ts'
import { lag } from './staleness.ts'

/** The version that the next learner step starts from: a step that goes on will have published by then. */
export function nextLearntAt(state: CoordinatorState): number {
  return state.learning === null ? state.version : state.version + 1
}

/** Whether every learner step to come is further than the staleness budget from `version`. */
export function isTooOld(state: CoordinatorState, version: number): boolean {
  return lag(nextLearntAt(state), version) > state.config.stalenessBudget
}

/** Whether a rollout of `version` may still be learnt from; a newer version than ours was lost with a damaged checkpoint. */
export function isUsable(state: CoordinatorState, version: number): boolean {
  return version <= state.version && !isTooOld(state, version)
}
