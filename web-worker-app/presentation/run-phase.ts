import type { RunFeed } from '#shared/protocol/run-feed.ts'

type RunOver = Extract<RunFeed['phase'], 'finished' | 'stopped'>

/** From then on only the figures of the report mean anything: the live ones are what they happened to be at the end. */
export function isOver(phase: RunFeed['phase']): phase is RunOver {
  return phase === 'finished' || phase === 'stopped'
}
