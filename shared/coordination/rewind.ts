/** Going back to an older version, because the checkpoints of the newer ones are damaged. */
import type { CoordinatorState } from './coordinator-state.ts'
import { openSample } from './group.ts'
import type { RunLedger } from './run-ledger.ts'

/**
 * After `recover`. What was sampled with lost versions is discarded and leased again, and what still arrives of it is stale: its
 * sender could not know. What was learnt in lost steps stays learnt:
 * no prompt is learnt twice.
 */
export function rewindCoordinator(state: CoordinatorState, version: number): void {
  state.version = version
  state.leases.lost.push({ epoch: state.leases.epoch - 1, version })
  for (const { samples } of state.groups) {
    for (const [index, sample] of samples.entries()) if (sample.turns.some(turn => turn.version > version)) samples[index] = openSample(sample.attempt + 1)
  }
}

/** The metrics of lost steps are forgotten with them. */
export function rewindLedger(ledger: RunLedger, version: number): void {
  ledger.metrics = ledger.metrics.filter(metrics => metrics.version <= version)
  ledger.evaluations = ledger.evaluations.filter(evaluation => evaluation.version <= version)
}
