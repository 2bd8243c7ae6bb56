import type { Environment } from '#shared/environments/environment.ts'
import type { EpisodeLimits } from '#shared/environments/episode.ts'
import type { RunFile } from './run-file-schema.ts'

/** @returns what the run file says of a rollout's length, or as many turns as any of the tasks takes and as many tokens as the model's context has */
export function episodeLimits({ batch: { turns, maxTokens, rolloutTokens } }: Pick<RunFile, 'batch'>, contextLength: number, tasks: readonly Environment[]): EpisodeLimits {
  return { turns: turns ?? Math.max(...tasks.map(task => task.turns ?? 1)), maxTokens, rolloutTokens: rolloutTokens ?? contextLength }
}
