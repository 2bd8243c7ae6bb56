import type { DecoderConfig } from '#shared/model/config.ts'
import type { TensorSpec } from '#shared/model/tensor-names.ts'
import type { Tensor, Tensors } from '#shared/model/tensor.ts'
import { adamW, type Moments } from './adamw.ts'
import { clippingFactor, globalNorm } from './gradient-clipping.ts'
import type { LearnerBackend, LogProbGradient, PolicyParameters, TokenSequence } from './learner-backend.ts'
import { learningRateAt, type OptimizerConfig } from './optimizer-config.ts'
import { roundToBfloat16, type Precision } from './precision.ts'
import { trainableTensors, zerosPerTensor } from './trainable.ts'

/** Everything that a resumed run needs, as named float32 tensors. */
export interface TrainedPolicyState {
  /** Optimizer updates done. */
  readonly step: number
  /** The trained tensors: the adapter's, or without LoRA all weights. */
  readonly parameters: Tensors
  /** `<tensor>.exp_avg` and `<tensor>.exp_avg_sq`, as PyTorch's AdamW calls them; where parameters are rounded, `<tensor>.master`, too: what they are rounded from. */
  readonly moments: Tensors
}

export interface UpdateOutcome {
  /** Before clipping; NaN or Infinity when the step was skipped for it. */
  readonly gradientNorm: number
  readonly learningRate: number
  /** The loss or a gradient was not finite: parameters, moments and step count are as before. */
  readonly skipped: boolean
}

/**
 * The parameters that a run trains, with their optimizer. Arrays are updated in place, where the backend reads them.
 *
 * In bfloat16 the optimizer keeps float32 copies, which take up steps that are too small for the rounded ones, and gradients are those of
 * the rounded ones (mixed-precision training with master weights: Micikevicius et al. 2018, section 3.1). So the policy that is learnt, published and sampled
 * from is one and the same.
 */
export class TrainedPolicy {
  readonly parameters: PolicyParameters
  readonly #backend: LearnerBackend
  readonly #optimizer: OptimizerConfig
  readonly #tensors: readonly TensorSpec[]
  readonly #gradients: Map<string, Float32Array>
  readonly #moments: Map<string, Moments>
  /** What the optimizer moves: the parameters themselves, or float32 copies where these are rounded. */
  readonly #masters: ReadonlyMap<string, Float32Array<ArrayBuffer>>
  readonly #precision: Precision
  #step = 0

  /**
   * @param weights the base model; copied when it is trained itself
   * @param adapter where LoRA starts (`initialAdapter`); null exactly when the backend has no LoRA. Copied.
   * @param precision of the parameters from the first update on
   */
  constructor(backend: LearnerBackend, config: DecoderConfig, optimizer: OptimizerConfig, weights: Tensors, adapter: Tensors | null, precision: Precision = 'float32') {
    this.#backend = backend
    this.#precision = precision
    this.#optimizer = optimizer
    this.#tensors = trainableTensors(config, backend.lora)
    this.parameters = backend.lora === null ? { weights: copy(weights), adapter } : { weights, adapter: adapter === null ? null : copy(adapter) }
    for (const { name } of this.#tensors) if (!this.trained.has(name)) throw new Error(`the parameters to train have no tensor ${name}`)
    this.#gradients = zerosPerTensor(this.#tensors)
    const [first, second] = [zerosPerTensor(this.#tensors), zerosPerTensor(this.#tensors)]
    this.#moments = new Map(this.#tensors.map(({ name }) => [name, { first: first.get(name)!, second: second.get(name)! }]))
    this.#masters = new Map(this.#tensors.map(({ name }) => [name, precision === 'float32' ? this.trained.get(name)!.data : this.trained.get(name)!.data.slice()]))
  }

  /** Optimizer updates done. */
  get step(): number {
    return this.#step
  }

  /** The arrays that `update` writes into; copy what must not change. */
  get trained(): Tensors {
    return this.parameters.adapter ?? this.parameters.weights
  }

  /**
   * One optimizer update from the gradient that `logProbGradient` defines.
   * @param loss asked for after the gradient; only tested for being finite
   */
  async update(sequences: readonly TokenSequence[], logProbGradient: LogProbGradient, loss: () => number): Promise<UpdateOutcome> {
    for (const gradient of this.#gradients.values()) gradient.fill(0)
    await this.#backend.accumulate(this.parameters, sequences, logProbGradient, this.#gradients)
    const gradientNorm = globalNorm(this.#gradients)
    const learningRate = learningRateAt(this.#optimizer, this.#step + 1)
    if (!Number.isFinite(gradientNorm) || !Number.isFinite(loss())) return { gradientNorm, learningRate, skipped: true }
    this.#step += 1
    const scale = clippingFactor(gradientNorm, this.#optimizer.maxGradientNorm)
    for (const [name, moments] of this.#moments) {
      const master = this.#masters.get(name)!
      adamW(master, this.#gradients.get(name)!, moments, this.#step, learningRate, scale, this.#optimizer)
      if (this.#precision === 'bfloat16') roundToBfloat16(master, this.trained.get(name)!.data)
    }
    return { gradientNorm, learningRate, skipped: false }
  }

  /** A copy that later updates leave alone. */
  state(): TrainedPolicyState {
    const moments = new Map<string, Tensor>()
    for (const { name, shape } of this.#tensors) {
      const { first, second } = this.#moments.get(name)!
      moments.set(`${name}.exp_avg`, { shape, data: first.slice() as Float32Array<ArrayBuffer> })
      moments.set(`${name}.exp_avg_sq`, { shape, data: second.slice() as Float32Array<ArrayBuffer> })
      if (this.#precision !== 'float32') moments.set(`${name}.master`, { shape, data: this.#masters.get(name)!.slice() })
    }
    return { step: this.#step, parameters: this.version(), moments }
  }

  /** A copy of the trained tensors alone. */
  version(): Tensors {
    return copy(new Map(this.#tensors.map(({ name }) => [name, this.trained.get(name)!])))
  }

  /** Continues from a `state()`. @throws when a tensor is missing or has another size; nothing is changed then */
  restore(state: TrainedPolicyState): void {
    const writes = this.#tensors.flatMap(({ name }) => {
      const { first, second } = this.#moments.get(name)!
      return [
        [this.trained.get(name)!.data, saved(state.parameters, name)],
        [first, saved(state.moments, `${name}.exp_avg`)],
        [second, saved(state.moments, `${name}.exp_avg_sq`)],
        ...(this.#precision === 'float32' ? [] : ([[this.#masters.get(name)!, saved(state.moments, `${name}.master`)]] as const))
      ] as const
    })
    for (const [target, { name, data }] of writes) {
      if (target.length !== data.length) throw new Error(`the saved tensor ${name} has ${data.length} elements where ${target.length} were expected`)
    }
    for (const [target, { data }] of writes) target.set(data)
    this.#step = state.step
  }
}

function saved(tensors: Tensors, name: string): { name: string; data: Float32Array } {
  const tensor = tensors.get(name)
  if (tensor === undefined) throw new Error(`the saved state has no tensor ${name}`)
  return { name, data: tensor.data }
}

function copy(tensors: Tensors): Map<string, Tensor> {
  return new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]))
}
