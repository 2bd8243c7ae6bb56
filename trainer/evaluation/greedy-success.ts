import type { Environment } from '#shared/environments/environment.ts'
import type { EpisodeLimits } from '#shared/environments/episode.ts'
import { playEpisodes, type PlayingPolicy } from './play-episodes.ts'

/** Draws after which a split counts as exhausted, per task asked for. */
const DRAWS_PER_TASK = 100

export interface FinishedTask<Task> {
  readonly task: Task
  readonly success: boolean
  /** Sum over the turns. */
  readonly reward: number
  /** The last state, for people. */
  readonly view: string
}

/**
 * The first `n` held-out tasks that differ: the same ones for every version of every run.
 * @returns fewer when the split has fewer
 */
export function heldOutTasks<Task>(environment: Environment<Task>, n: number): Task[] {
  const tasks = new Map<string, Task>()
  for (let draw = 0; tasks.size < n && draw < n * DRAWS_PER_TASK; draw++) {
    const task = environment.sample(draw, 'held-out')
    tasks.set(JSON.stringify(task), task)
  }
  return [...tasks.values()]
}

/**
 * Plays every task to its end with the likeliest token at every step.
 * @returns in the order of `tasks`
 */
export async function playGreedily<Task, State>(
  policy: PlayingPolicy,
  environment: Environment<Task, State>,
  tasks: readonly Task[],
  limits: EpisodeLimits
): Promise<FinishedTask<Task>[]> {
  const episodes = await playEpisodes(policy, environment, tasks.map(task => ({ task })), limits)
  return episodes.map(({ success, reward, state }, index) => ({ task: tasks[index]!, success, reward, view: environment.view(state) }))
}
