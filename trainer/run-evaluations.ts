/** Measures versions of a run, one after the other and beside the learner. The best of them keeps its checkpoint. */
import { bestVersion } from '#shared/coordination/best-version.ts'
import { noteEvaluation, type RunLedger } from '#shared/coordination/run-ledger.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { Evaluation } from '#shared/protocol/run-report.ts'
import type { EvaluationThread } from './evaluation/evaluation-thread.ts'
import type { CheckpointStore } from './store/checkpoints.ts'

export interface RunEvaluationsParts {
  readonly evaluate: EvaluationThread['evaluate']
  readonly ledger: RunLedger
  readonly checkpoints: CheckpointStore
  /** Figure of an evaluation by which versions are compared. */
  readonly bestBy: string
  readonly warn: (line: string) => void
}

export class RunEvaluations {
  readonly #parts: RunEvaluationsParts
  #last: Promise<unknown> = Promise.resolve()
  #warned = false
  #closed = false

  constructor(parts: RunEvaluationsParts) {
    this.#parts = parts
    if (parts.ledger.evaluations.length > 0) this.#nameBest()
  }

  /** Resolves when all that were asked for so far are done, or have failed. */
  get done(): Promise<unknown> {
    return this.#last
  }

  /** @param parameters as the evaluation's thread takes them */
  measure(version: number, parameters: Tensors | null): Promise<Evaluation> {
    this.#parts.checkpoints.hold(version)
    const measured = this.#last.then(() => this.#measure(version, parameters))
    this.#last = measured.catch(() => undefined)
    return measured
  }

  /** The report is written: what is still being measured changes neither the books nor the checkpoints. */
  close(): void {
    this.#closed = true
  }

  async #measure(version: number, parameters: Tensors | null): Promise<Evaluation> {
    const { evaluate, ledger, checkpoints } = this.#parts
    const measured = await evaluate(parameters)
    if (this.#closed) return measured
    noteEvaluation(ledger, version, measured)
    this.#nameBest()
    checkpoints.release(version)
    return measured
  }

  /**
   * Of all versions that were measured and still have a checkpoint. The one that is named already may be missing in the books, where a
   * process died before they were stored: it stays until another is better.
   */
  #nameBest(): void {
    const { ledger, checkpoints, bestBy } = this.#parts
    const kept = new Set(checkpoints.versions())
    const named = checkpoints.best()
    const best = bestVersion(ledger.evaluations.filter(({ version }) => kept.has(version)), bestBy)
    ledger.best = named?.metric === bestBy && (best === undefined || named.value >= best.value) ? named : (best ?? null)
    if (ledger.best === null) this.#warnOfMetric()
    else if (ledger.best !== named) checkpoints.nameBest(ledger.best)
  }

  #warnOfMetric(): void {
    if (this.#warned) return
    this.#warned = true
    const { ledger, bestBy, warn } = this.#parts
    const figures = ['success', ...Object.keys(ledger.evaluations.at(-1)?.metrics ?? {})]
    warn(`evaluation.best = "${bestBy}" is no figure of this task, so no version is kept as the best; it has ${figures.join(', ')}`)
  }
}
