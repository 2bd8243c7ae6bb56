import type { RunFeed } from '../protocol/run-feed.ts'
import type { BestVersion } from '../protocol/run-report.ts'

/** Of the greedy share of tasks that were solved. */
export const SUCCESS = 'success'

/**
 * The version with the highest figure; of equal ones the earliest, which was trained least.
 * @param metric `success`, or one of the evaluations' metrics
 * @returns undefined where no evaluation has it
 */
export function bestVersion(evaluations: RunFeed['evaluations'], metric: string): BestVersion | undefined {
  let best: BestVersion | undefined
  for (const { version, success, metrics } of evaluations) {
    const value = metric === SUCCESS ? success : metrics?.[metric]?.value
    if (value === undefined || (best !== undefined && value <= best.value)) continue
    best = { version, metric, value }
  }
  return best
}
