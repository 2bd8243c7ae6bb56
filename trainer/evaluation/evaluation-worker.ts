/** The evaluation's thread: it computes for seconds at a time, and neither the coordinator nor the learner must wait. */
import * as ort from 'onnxruntime-node'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { Environment } from '#shared/environments/environment.ts'
import type { EpisodeLimits } from '#shared/environments/episode.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { readModelDirectory } from '#shared/model/model-directory.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { Evaluation } from '#shared/protocol/run-report.ts'
import { openEnvironment, type EnvironmentSpec } from '../environment-spec.ts'
import { modelFiles } from '../model-files.ts'
import { serveParent } from '../worker-service.ts'
import { heldOutTasks } from './greedy-success.ts'
import type { PlayingPolicy } from './play-episodes.ts'
import { evaluatePolicy, type PolicyEvaluation } from './policy-evaluation.ts'

export interface EvaluationSetup {
  /** The base model. */
  readonly modelDirectory: string
  /** null: the run trains all parameters. */
  readonly lora: LoraConfig | null
  readonly environment: EnvironmentSpec
  /** Held-out tasks; fewer when the split has fewer. */
  readonly size: number
  /** k, of each task. */
  readonly samples: number
  /** As in training. */
  readonly limits: EpisodeLimits
  /** Cores that one operator may use. */
  readonly threads?: number
}

interface Opened {
  readonly policy: PlayingPolicy
  readonly lora: LoraConfig | null
  /** Of the base model. */
  readonly weights: Tensors
  readonly environment: Environment
  readonly tasks: readonly unknown[]
  readonly samples: number
  readonly limits: EpisodeLimits
}

/** The same for every version of every run: they are compared with each other. */
const SAMPLING_SEED = 0

/** What the evaluation's thread offers. `open` comes first; one call at a time. */
export class EvaluationApi {
  #opened: Opened | undefined

  async open({ modelDirectory, lora, environment: spec, size, samples, limits, threads = 1 }: EvaluationSetup): Promise<void> {
    const { config, tokenizer, weights } = await readModelDirectory(modelFiles(modelDirectory))
    const sessionOptions = cpuSessionOptions('cpu', threads)
    const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config, weights, sessionOptions, ...(lora === null ? {} : { lora }) })
    const environment = openEnvironment(spec)
    this.#opened = { policy: { engine, tokenizer }, lora, weights, environment, tasks: heldOutTasks(environment, size), samples, limits }
  }

  /** @param parameters of the version to measure: the adapter, or without LoRA all weights; null measures the base model */
  async evaluate(parameters: Tensors | null): Promise<Evaluation> {
    if (this.#opened === undefined) throw new Error('the evaluation is not open')
    const { policy, lora, weights, environment, tasks, samples, limits } = this.#opened
    if (lora !== null) await policy.engine.setAdapter(parameters ?? undefined)
    else await policy.engine.setWeights(parameters ?? weights)
    return reported(await evaluatePolicy(policy, limits, { environment, tasks, samples, seed: SAMPLING_SEED }))
  }

  async close(): Promise<void> {
    await this.#opened?.policy.engine.release()
    this.#opened = undefined
  }
}

function reported({ n, greedy, reward, metrics, sampled }: PolicyEvaluation): Evaluation {
  return { success: greedy.value, n, interval: [greedy.low, greedy.high], metrics: { reward, ...metrics }, ...(sampled !== null && { sampled }) }
}

serveParent(new EvaluationApi())
