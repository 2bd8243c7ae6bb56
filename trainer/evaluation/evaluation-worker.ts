/** The evaluation's thread: it computes for seconds at a time, and neither the coordinator nor the learner must wait. */
import * as ort from 'onnxruntime-node'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { environmentNamed } from '#shared/environments/environments.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { readModelDirectory } from '#shared/model/model-directory.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { Evaluation } from '#shared/protocol/run-report.ts'
import { modelFiles } from '../model-files.ts'
import { serveParent } from '../worker-service.ts'
import { greedySuccess, heldOutTasks, type GreedyPolicy } from './greedy-success.ts'

export interface EvaluationSetup {
  /** The base model. */
  readonly modelDirectory: string
  /** null: the run trains all parameters. */
  readonly lora: LoraConfig | null
  readonly environment: { readonly name: string; readonly options: unknown }
  /** Held-out tasks; fewer when the split has fewer. */
  readonly size: number
  /** Most tokens per action, as in training. */
  readonly maxTokens: number
  /** Cores that one operator may use. */
  readonly threads?: number
}

interface Opened {
  readonly policy: GreedyPolicy
  readonly lora: LoraConfig | null
  /** Of the base model. */
  readonly weights: Tensors
  readonly environment: Environment
  readonly tasks: readonly unknown[]
  readonly maxTokens: number
}

/** What the evaluation's thread offers. `open` comes first; one call at a time. */
export class EvaluationApi {
  #opened: Opened | undefined

  async open({ modelDirectory, lora, environment: { name, options }, size, maxTokens, threads = 1 }: EvaluationSetup): Promise<void> {
    const { config, tokenizer, weights } = await readModelDirectory(modelFiles(modelDirectory))
    const sessionOptions = cpuSessionOptions('cpu', threads)
    const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config, weights, sessionOptions, ...(lora === null ? {} : { lora }) })
    const environment = environmentNamed(name, options)
    this.#opened = { policy: { engine, tokenizer }, lora, weights, environment, tasks: heldOutTasks(environment, size), maxTokens }
  }

  /** @param parameters of the version to measure: the adapter, or without LoRA all weights; null measures the base model */
  async evaluate(parameters: Tensors | null): Promise<Evaluation> {
    if (this.#opened === undefined) throw new Error('the evaluation is not open')
    const { policy, lora, weights, environment, tasks, maxTokens } = this.#opened
    if (lora !== null) await policy.engine.setAdapter(parameters ?? undefined)
    else await policy.engine.setWeights(parameters ?? weights)
    return greedySuccess(policy, environment, tasks, maxTokens)
  }

  async close(): Promise<void> {
    await this.#opened?.policy.engine.release()
    this.#opened = undefined
  }
}

serveParent(new EvaluationApi())
