/** The learner's thread: onnxruntime-node blocks its thread while it computes, and the coordinator must not wait. */
import { transfer } from 'comlink'
import type { DecoderConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import { serveParent } from '../worker-service.ts'
import type { LearnerBackend } from './learner-backend.ts'
import { GrpoLearner, type GrpoConfig, type LearnerStepMetrics, type RolloutGroup } from './learner.ts'
import type { OptimizerConfig } from './optimizer-config.ts'
import { createOrtBackend, type OrtBackendOptions } from './ort-backend.ts'
import type { Precision } from './precision.ts'
import { TrainedPolicy, type TrainedPolicyState } from './trained-policy.ts'

export interface LearnerSetup {
  readonly config: DecoderConfig
  readonly lora: LoraConfig | null
  readonly weights: Tensors
  /** Where LoRA starts; null exactly when `lora` is. */
  readonly adapter: Tensors | null
  readonly optimizer: OptimizerConfig
  readonly precision: Precision
  readonly grpo: GrpoConfig
  readonly backend?: OrtBackendOptions
}

export interface LearnerStepResult {
  readonly metrics: LearnerStepMetrics
  /** The trained tensors after the step: the next version. */
  readonly parameters: Tensors
}

interface Opened {
  readonly backend: LearnerBackend
  readonly policy: TrainedPolicy
  readonly learner: GrpoLearner
}

/** What the learner's thread offers. `open` comes first; one call at a time. */
export class LearnerApi {
  #opened: Opened | undefined

  async open(setup: LearnerSetup): Promise<void> {
    const backend = await createOrtBackend(setup.config, setup.lora, setup.backend)
    const policy = new TrainedPolicy(backend, setup.config, setup.optimizer, setup.weights, setup.adapter, setup.precision)
    this.#opened = { backend, policy, learner: new GrpoLearner(policy, setup.grpo) }
  }

  async step(groups: readonly RolloutGroup[]): Promise<LearnerStepResult> {
    const { learner, policy } = this.#open()
    const metrics = await learner.step(groups)
    const parameters = policy.version()
    return transfer({ metrics, parameters }, buffers(parameters))
  }

  /** The state to continue from later; at step 0 its parameters are the first version's. */
  state(): TrainedPolicyState {
    const state = this.#open().policy.state()
    return transfer(state, [...buffers(state.parameters), ...buffers(state.moments)])
  }

  restore(state: TrainedPolicyState): void {
    this.#open().policy.restore(state)
  }

  async close(): Promise<void> {
    await this.#opened?.backend.dispose()
    this.#opened = undefined
  }

  #open(): Opened {
    if (this.#opened === undefined) throw new Error('the learner is not open')
    return this.#opened
  }
}

function buffers(tensors: Tensors): ArrayBuffer[] {
  return [...tensors.values()].map(({ data }) => data.buffer)
}

serveParent(new LearnerApi())
