/** How a policy does on a held-out setting, and by how much another does better on the very same tasks. */
import { winRate } from '#shared/environments/holdem/win-rate.ts'
import type { Environment } from '#shared/environments/environment.ts'
import type { Estimate } from '#shared/protocol/run-report.ts'
import { episodeLimits } from '#trainer/episode-limits.ts'
import { bootstrapMean, wilson } from '#trainer/evaluation/estimates.ts'
import { playEpisodes, type PlayingPolicy } from '#trainer/evaluation/play-episodes.ts'
import type { RunFile } from '#trainer/run-file-schema.ts'
import type { MeasuredSetting } from './measured-tasks.ts'

/** One number for each independent unit, in an order that does not depend on the policy: a task's success, or the mean of the two hands of a deal. */
export type Scores = readonly number[]

/**
 * The first `n` held-out tasks that the environment draws, whether they have come before or not: a sample of what runs learn from. Tasks that all
 * differ are others the more of them there are: countdown has little more than a thousand, and half of them make up four fifths of what is drawn.
 */
export function heldOutDraws<Task>(environment: Environment<Task>, n: number): Task[] {
  return Array.from({ length: n }, (_, draw) => environment.sample(draw, 'held-out'))
}

/** Of as many draws, the places of those that had not come before. */
export function firstDraws<Task>(environment: Environment<Task>, n: number): number[] {
  const seen = new Set<string>()
  return heldOutDraws(environment, n).flatMap((task, draw) => {
    const before = seen.size
    return seen.add(JSON.stringify(task)).size > before ? [draw] : []
  })
}

/** Greedy, within the limits of the run file. */
export async function heldOutScores(policy: PlayingPolicy, { environment, draws, unit }: MeasuredSetting, runFile: RunFile): Promise<Scores> {
  const tasks = heldOutDraws(environment, draws)
  const limits = episodeLimits(runFile, policy.engine.config.contextLength, [environment])
  const episodes = await playEpisodes(policy, environment, tasks.map(task => ({ task })), limits)
  if (unit === 'solved') return episodes.map(({ success }) => Number(success))
  const won = episodes.map(({ metrics }) => metrics['bigBlinds']!)
  // Seeds 2k and 2k + 1 are one deal from both seats (shared/environments/holdem.ts).
  return Array.from({ length: won.length >> 1 }, (_, deal) => (won[2 * deal]! + won[2 * deal + 1]!) / 2)
}

export function scoreEstimate(scores: Scores, unit: MeasuredSetting['unit']): Estimate {
  if (unit === 'solved') return wilson(scores.filter(score => score === 1).length, scores.length)
  const { mean, margin } = winRate(scores.flatMap((bigBlinds, index) => [{ deal: String(index), bigBlinds }, { deal: String(index), bigBlinds }]))
  return { value: mean, low: mean - margin, high: mean + margin }
}

/** Of the second over the first, by unit. */
export function gain(before: Scores, after: Scores): Estimate {
  if (before.length !== after.length) throw new RangeError(`${before.length} scores before, ${after.length} after: not of the same tasks`)
  return bootstrapMean(after.map((score, index) => score - before[index]!))
}
