/** The verifier's thread: replays rollouts on exactly the version that sampled them, beside the learner and never behind it. */
import type { EpisodeLimits } from '#shared/environments/episode.ts'
import { readModelDirectory, type Model } from '#shared/model/model-directory.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import { openLevels, type EnvironmentSpec } from '../environment-spec.ts'
import { EpisodeSource } from '../episode-source.ts'
import type { LearnerBackend, PolicyParameters, TokenSequence } from '../learner/learner-backend.ts'
import { createOrtBackend } from '../learner/ort-backend.ts'
import { modelFiles } from '../model-files.ts'
import { serveParent } from '../worker-service.ts'
import { judgeRollouts, type Judgement, type JudgementRequest } from './judgement.ts'

export interface VerifierSetup {
  /** The base model. */
  readonly modelDirectory: string
  /** null: the run trains all parameters. */
  readonly lora: LoraConfig | null
  readonly environment: EnvironmentSpec
  readonly limits: EpisodeLimits
  /** Cores that one operator may use. */
  readonly threads?: number
}

interface Opened {
  readonly model: Model
  readonly backend: LearnerBackend
  readonly episodes: EpisodeSource
  readonly versions: Map<number, PolicyParameters>
}

/** What the verifier's thread offers. `open` comes first; one call at a time. */
export class VerifierApi {
  #opened: Opened | undefined

  async open({ modelDirectory, lora, environment, limits, threads = 1 }: VerifierSetup): Promise<void> {
    const model = await readModelDirectory(modelFiles(modelDirectory))
    const backend = await createOrtBackend(model.config, lora, { threads })
    this.#opened = { model, backend, episodes: new EpisodeSource(openLevels(environment), model, limits), versions: new Map() }
  }

  /** Keeps what a version consists of: the adapter, or without LoRA all weights. */
  keep(version: number, parameters: Tensors): void {
    const { backend, model, versions } = this.#open()
    versions.set(version, backend.lora === null ? { weights: parameters, adapter: null } : { weights: model.weights, adapter: parameters })
  }

  /** Forgets every version below; none of their rollouts can be learnt from any more. */
  forgetBelow(version: number): void {
    const { versions } = this.#open()
    for (const kept of versions.keys()) if (kept < version) versions.delete(kept)
  }

  /** @returns one judgement per request, in their order */
  async judge(requests: readonly JudgementRequest[]): Promise<Judgement[]> {
    return judgeRollouts(this.#open(), requests)
  }

  /**
   * Behaviour log-probs of a whole batch at once, in its order. How sequences are packed together changes the last bits; scoring what
   * a learner step takes, and nothing else, makes them independent of the order in which rollouts arrived.
   */
  async score(version: number, sequences: readonly TokenSequence[]): Promise<Float32Array[]> {
    const { backend, versions } = this.#open()
    const parameters = versions.get(version)
    if (parameters === undefined) throw new Error(`version ${version} is not kept`)
    return (await backend.score(parameters, sequences)).map(({ logProbs }) => logProbs)
  }

  async close(): Promise<void> {
    await this.#opened?.backend.dispose()
    this.#opened = undefined
  }

  #open(): Opened {
    if (this.#opened === undefined) throw new Error('the verifier is not open')
    return this.#opened
  }
}

serveParent(new VerifierApi())
