/** Held-out success over the run, from the report and the live evaluations. */
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import type { Evaluation } from '#shared/protocol/run-report.ts'

export interface MeasuredSuccess {
  readonly version: number
  /** 0…1 */
  readonly success: number
  /** Held-out tasks tried. */
  readonly n: number
  /** 95 %, of `success`. */
  readonly interval?: Evaluation['interval']
  readonly sampled?: Evaluation['sampled']
}

/** In order of version; the report's `before` is version 0. At most one point per version. */
export function successByVersion(feed: RunFeed): MeasuredSuccess[] {
  const { before, after } = feed.report.eval
  const points = new Map<number, MeasuredSuccess>()
  if (before !== null) points.set(0, { version: 0, ...before })
  for (const point of feed.evaluations) points.set(point.version, point)
  if (after !== null) points.set(feed.report.updates, { version: feed.report.updates, ...after })
  return [...points.values()].toSorted((a, b) => a.version - b.version)
}

/** First and latest measurement; `latest` is null until the policy has been measured after an update. */
export function successSoFar(feed: RunFeed): { before: MeasuredSuccess | null; latest: MeasuredSuccess | null } {
  const points = successByVersion(feed)
  const before = points[0]?.version === 0 ? points[0] : null
  const last = points.at(-1) ?? null
  return { before, latest: last === before ? null : last }
}
