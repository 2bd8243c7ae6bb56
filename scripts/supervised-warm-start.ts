/** Supervised training of a fresh model until it knows each task just well enough for reinforcement learning to take over. */
import * as ort from 'onnxruntime-node'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { beginEpisode, takeTurn, type EpisodeLimits, type EpisodeRules } from '#shared/environments/episode.ts'
import type { DecoderConfig } from '#shared/model/config.ts'
import { EMBED_TENSOR, headTensor, sliceTensors } from '#shared/model/tensor-names.ts'
import { zeros, type Tensor, type Tensors } from '#shared/model/tensor.ts'
import type { Tokenizer } from '#shared/model/tokenizer.ts'
import { createRng, type Rng } from '#shared/random/rng.ts'
import { heldOutTasks, playGreedily } from '#trainer/evaluation/greedy-success.ts'
import type { TokenSequence } from '#trainer/learner/learner-backend.ts'
import type { OptimizerConfig } from '#trainer/learner/optimizer-config.ts'
import { createOrtBackend } from '#trainer/learner/ort-backend.ts'
import { supervisedStep } from '#trainer/learner/supervised.ts'
import { TrainedPolicy } from '#trainer/learner/trained-policy.ts'

export interface WarmStartTask {
  readonly environment: Environment
  /** Share of the examples in the beginning; the shares of all tasks sum to 1. */
  readonly share: number
  /** Held-out greedy success at which the task is known well enough. From then on it has KEPT_SHARE of its share, and the others grow. Absent: always shown. */
  readonly untilSuccess?: number
  /** Most tokens per action. */
  readonly maxTokens: number
  /** Most actions per task; absent: one. */
  readonly turns?: number
}

export interface WarmStartSettings {
  readonly config: DecoderConfig
  readonly tokenizer: Tokenizer
  readonly seed: number
  /** Training ends when those with `untilSuccess` are known well enough; at least one has it. */
  readonly tasks: readonly WarmStartTask[]
  /** Examples per step. */
  readonly batch: number
  readonly optimizer: OptimizerConfig
  /** Steps between two measurements. */
  readonly measureEvery: number
  /** Held-out problems per measurement. */
  readonly heldOut: number
  /** @throws when they are used up */
  readonly maxSteps: number
  /** Cores that one operator may use. */
  readonly threads?: number
}

/** Of its share, for a task that is known well enough: so much that it is not forgotten. */
const KEPT_SHARE = 0.3

export interface TaskMeasurement {
  readonly task: string
  readonly success: number
  /** Mean graded reward. */
  readonly reward: number
}

export interface WarmStartProgress {
  readonly step: number
  /** Nats per answer token. */
  readonly loss: number
  /** Of all tasks at the end, else of those that are not known well enough yet. */
  readonly measured: readonly TaskMeasurement[]
}

/** @returns the trained weights and the last measurement */
export async function warmStart(
  settings: WarmStartSettings,
  report: (progress: WarmStartProgress) => void
): Promise<{ readonly weights: Tensors; readonly last: WarmStartProgress }> {
  const { config, seed, tasks, measureEvery, maxSteps, threads = 2 } = settings
  const weights = freshWeights(config, createRng(`warm start/${seed}/weights`))
  const backend = await createOrtBackend(config, null, { threads })
  const policy = new TrainedPolicy(backend, config, settings.optimizer, weights, null)
  const examples = createRng(`warm start/${seed}/examples`)
  const measure = createMeasurement(settings)
  const learning = new Set(tasks.filter(({ untilSuccess }) => untilSuccess !== undefined))
  if (learning.size === 0) throw new RangeError('no task says when it is known well enough')
  try {
    for (let step = 1; step <= maxSteps; step++) {
      const { loss } = await supervisedStep(policy, drawBatch(settings, learning, examples))
      if (step % measureEvery !== 0) continue
      const measured: TaskMeasurement[] = []
      for (const task of learning) {
        const measurement = await measure(policy.trained, task)
        measured.push(measurement)
        if (measurement.success >= task.untilSuccess!) learning.delete(task)
      }
      if (learning.size > 0) {
        report({ step, loss, measured })
        continue
      }
      const last: WarmStartProgress = { step, loss, measured: await inOrder(tasks, task => measure(policy.trained, task)) }
      report(last)
      return { weights: policy.trained, last }
    }
  } finally {
    await backend.dispose()
  }
  const missing = [...learning].map(({ environment, untilSuccess }) => `${environment.name} ${untilSuccess}`)
  throw new Error(`no success of ${missing.join(', ')} within ${maxSteps} steps`)
}

async function inOrder<Item, Result>(items: readonly Item[], call: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (const item of items) results.push(await call(item))
  return results
}

/**
 * Matrices are uniform with variance 1 / inputs, those that write into the residual stream smaller by √(2 · layers) (Radford
 * et al. 2019, GPT-2, §2.3); norms are 1. Embeddings have unit variance, as in Vaswani et al. 2017 (§3.4, there by a factor √d): from
 * smaller ones, reinforcement learning was measured to be several times slower. The head is small: it starts indifferent.
 */
function freshWeights(config: DecoderConfig, rng: Rng): Map<string, Tensor> {
  return new Map(
    sliceTensors(config).map(({ name, shape }) => {
      const tensor = zeros(shape)
      const bound = Math.sqrt(3) * standardDeviation(config, name, shape)
      const stream = rng.fork(name)
      for (let index = 0; index < tensor.data.length; index++) {
        tensor.data[index] = name.includes('norm') ? 1 : (2 * stream.float() - 1) * bound
      }
      return [name, tensor]
    })
  )
}

function standardDeviation(config: DecoderConfig, name: string, shape: readonly number[]): number {
  if (name === EMBED_TENSOR) return config.tiedEmbeddings ? 0.1 : 1
  if (name === headTensor(config)) return 0.05
  const residual = name.includes('o_proj') || name.includes('down_proj')
  return 1 / Math.sqrt(shape[1] ?? 1) / (residual ? Math.sqrt(2 * config.layers) : 1)
}

function drawBatch({ batch, tasks, tokenizer, config }: WarmStartSettings, learning: ReadonlySet<WarmStartTask>, rng: Rng): TokenSequence[] {
  return Array.from({ length: batch }, () => {
    const task = drawTask(tasks, learning, rng)
    const rules = { environment: task.environment, tokenizer, bosTokenId: config.bosTokenId, eosTokenIds: config.eosTokenIds, limits: limitsOf(task, config) }
    return demonstration(rules, rng.uint32())
  })
}

/** A task as it should be done, to its end. */
function demonstration(rules: EpisodeRules, seed: number): TokenSequence {
  const { environment, tokenizer, eosTokenIds } = rules
  let episode = beginEpisode(rules, environment.sample(seed, 'train'))
  while (episode.end === null) {
    const action = environment.demonstrate?.(episode.state)
    if (action === undefined) throw new Error(`${environment.name} has no demonstrations`)
    episode = takeTurn(rules, episode, [...tokenizer.encode(action), eosTokenIds[0]!])
  }
  const { tokens, promptLength, mask } = episode
  return { tokens, promptLength, mask }
}

function limitsOf({ maxTokens, turns = 1 }: WarmStartTask, { contextLength }: DecoderConfig): EpisodeLimits {
  return { turns, maxTokens, rolloutTokens: contextLength }
}

function drawTask(tasks: readonly WarmStartTask[], learning: ReadonlySet<WarmStartTask>, rng: Rng): WarmStartTask {
  const weight = (task: WarmStartTask): number => task.share * (task.untilSuccess === undefined || learning.has(task) ? 1 : KEPT_SHARE)
  let remaining = rng.float() * tasks.reduce((sum, task) => sum + weight(task), 0)
  return tasks.find(task => (remaining -= weight(task)) < 0) ?? tasks[0]!
}

function createMeasurement(settings: WarmStartSettings): (weights: Tensors, task: WarmStartTask) => Promise<TaskMeasurement> {
  const { config, tokenizer, heldOut, threads = 2 } = settings
  const problems = new Map(settings.tasks.map(task => [task, heldOutTasks(task.environment, heldOut)]))
  const sessionOptions = cpuSessionOptions('cpu', threads)
  return async (weights, task) => {
    const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config, weights, sessionOptions })
    try {
      const finished = await playGreedily({ engine, tokenizer }, task.environment, problems.get(task)!, limitsOf(task, config))
      const mean = (value: (one: (typeof finished)[number]) => number): number => finished.reduce((sum, one) => sum + value(one), 0) / finished.length
      return { task: task.environment.name, success: mean(({ success }) => Number(success)), reward: mean(({ reward }) => reward) }
    } finally {
      await engine.release()
    }
  }
}
