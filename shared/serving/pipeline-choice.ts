/**
 * Which pipeline serves a request: the one that is expected to finish it first, be it by waiting for a row. To begin at once with
 * a slow server while a fast one is about to be free serves nobody (Lin and Kumar 1984, "Optimal control of a queueing system
 * with two heterogeneous servers": the slow one is used only beyond a threshold of the queue).
 */
import { freeRows, tokenMs } from './pipeline-cost.ts'
import type { Sequence, ServingPipeline, ServingState } from './serving-state.ts'

/** Decides for one sequence after the other, in the order in which they were asked for; made anew whenever something has happened. */
export class PipelineChoice {
  readonly #state: ServingState
  /** How many of those that were decided about wait for a row of it. */
  readonly #awaited = new Map<ServingPipeline, number>()
  /** By lengths of prompt and answer. */
  readonly #tokenMs = new Map<ServingPipeline, Map<string, number>>()
  /** Tokens that its sequences still have to get, fewest first. */
  readonly #tokensLeft = new Map<ServingPipeline, readonly number[]>()

  constructor(state: ServingState) {
    this.#state = state
  }

  /** @param pipelines open, with the sequence's version. @returns undefined when it is better to wait, or nothing is free */
  choose(pipelines: readonly ServingPipeline[], sequence: Sequence): ServingPipeline | undefined {
    if (pipelines.every(pipeline => freeRows(pipeline) === 0)) return undefined
    const finishes = new Map(pipelines.map(pipeline => [pipeline, this.#finishMs(pipeline, sequence)]))
    const best = pipelines.toSorted((left, right) => finishes.get(left)! - finishes.get(right)!)[0]!
    if (freeRows(best) > 0) {
      // It will have another row, and costs more.
      this.#tokenMs.delete(best)
      this.#tokensLeft.delete(best)
      return best
    }
    this.#awaited.set(best, (this.#awaited.get(best) ?? 0) + 1)
    return undefined
  }

  #finishMs(pipeline: ServingPipeline, { request, tokens }: Sequence): number {
    const answer = Math.max(1, request.maxTokens - tokens.length)
    const shapes = this.#tokenMs.get(pipeline) ?? new Map<string, number>()
    this.#tokenMs.set(pipeline, shapes)
    const shape = `${request.prompt.length}/${answer}`
    const perToken = shapes.get(shape) ?? tokenMs(this.#state, pipeline, { ...request, maxTokens: answer })
    shapes.set(shape, perToken)
    return (this.#tokensUntilFree(pipeline) + answer) * perToken
  }

  #tokensUntilFree(pipeline: ServingPipeline): number {
    if (freeRows(pipeline) > 0) return 0
    const left = this.#tokensLeft.get(pipeline) ?? this.#countTokensLeft(pipeline)
    this.#tokensLeft.set(pipeline, left)
    const ahead = this.#awaited.get(pipeline) ?? 0
    // Who comes after as many as there are rows waits for whole answers, too.
    return Math.floor(ahead / left.length) * left.at(-1)! + left[ahead % left.length]!
  }

  #countTokensLeft({ sequences }: ServingPipeline): number[] {
    const all = [...sequences].map(key => this.#state.sequences.get(key)!)
    return all.map(({ request, tokens }) => request.maxTokens - tokens.length).toSorted((left, right) => left - right)
  }
}
