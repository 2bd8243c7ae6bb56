import { BatchGenerator, type GeneratedSample } from '#shared/engine/batch-generator.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { actionText, promptTokens } from '#shared/environments/turn-tokens.ts'
import type { Tokenizer } from '#shared/model/tokenizer.ts'
import type { Evaluation } from '#shared/protocol/run-report.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'

/** Sequences decoded at once. */
const ROWS = 128

/** Draws after which a split counts as exhausted, per task asked for. */
const DRAWS_PER_TASK = 100

export interface GreedyPolicy {
  /** Hosts the whole model, with the adapter or weights of the version to measure. */
  readonly engine: SliceEngine
  readonly tokenizer: Tokenizer
}

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
 * @param maxTokens most tokens per action
 * @returns in the order of `tasks`
 */
export async function playGreedily<Task, State>(
  policy: GreedyPolicy,
  environment: Environment<Task, State>,
  tasks: readonly Task[],
  maxTokens: number
): Promise<FinishedTask<Task>[]> {
  const { engine, tokenizer } = policy
  const { bosTokenId, eosTokenIds } = engine.config
  const generator = new BatchGenerator({ engine, uniform, maxRows: ROWS })
  const states = tasks.map(task => environment.start(task))
  const rewards = tasks.map(() => 0)
  const finished: FinishedTask<Task>[] = []

  const ask = (index: number): void => {
    const prompt = Int32Array.from(promptTokens(tokenizer, bosTokenId, environment.render(states[index]!)))
    generator.submit({ prompt, samples: [{ id: String(index) }], maxTokens })
  }
  const answer = ({ id, tokens }: GeneratedSample): void => {
    const index = Number(id)
    const { state, done, reward, info } = environment.step(states[index]!, actionText(tokenizer, eosTokenIds, tokens))
    states[index] = state
    rewards[index]! += reward
    if (done) finished[index] = { task: tasks[index]!, success: info.success, reward: rewards[index]!, view: environment.view(state) }
    else ask(index)
  }

  for (const index of tasks.keys()) ask(index)
  while (generator.pending > 0) for (const sample of await generator.step()) answer(sample)
  return finished
}

/** @returns the share of tasks solved exactly */
export async function greedySuccess<Task, State>(
  policy: GreedyPolicy,
  environment: Environment<Task, State>,
  tasks: readonly Task[],
  maxTokens: number
): Promise<Evaluation> {
  const finished = await playGreedily(policy, environment, tasks, maxTokens)
  return { success: finished.filter(({ success }) => success).length / tasks.length, n: tasks.length }
}
