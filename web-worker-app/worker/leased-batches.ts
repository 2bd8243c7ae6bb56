import type { Batch } from '#shared/coordination/lease-queue.ts'
import type { FinishedRollout } from '#shared/coordination/volunteer-state.ts'
import type { SequenceRequest } from '#shared/pipeline/pipeline-driver.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import type { Generated, WorkerEvents } from './stage-worker-api.ts'

/** Finished rollouts are reported together when so many are there or so much time has passed. */
const REPORT_ROLLOUTS = 16
const REPORT_MS = 250

interface Sample {
  readonly batch: Batch
  readonly lease: string
  readonly prompt: number
  readonly index: number
  readonly seed: string
  readonly turn: number
}

interface RunningBatch {
  left: number
  report: FinishedRollout[]
}

/** Batches of leased samples, as requests to the pipeline and as rollouts again when they are finished. */
export class LeasedBatches {
  readonly #events: Pick<WorkerEvents, 'finished' | 'ended'>
  readonly #now: () => number
  readonly #samples = new Map<string, Sample>()
  readonly #running = new Map<number, RunningBatch>()
  #reportedAt = 0

  constructor(events: Pick<WorkerEvents, 'finished' | 'ended'>, now: () => number) {
    this.#events = events
    this.#now = now
  }

  begin(batch: Batch): SequenceRequest[] {
    const { id, version, maxTokens } = batch
    const requests = batch.prompts.flatMap(({ lease, prompt, tokens, samples }) =>
      samples.map(({ index, seed, turn = 0, position = 0 }): SequenceRequest => {
        const key = `batch ${id}: ${lease}/${prompt}/${index}`
        this.#samples.set(key, { batch, lease, prompt, index, seed, turn })
        return { key, prompt: tokens, drawn: { tokens: [], logProbs: [] }, maxTokens, seed, position, temperature: 1, version, interactive: false }
      })
    )
    this.#running.set(id, { left: requests.length, report: [] })
    return requests
  }

  /** @returns false where the event is of nothing that was leased */
  take(event: Generated): boolean {
    const sample = this.#samples.get(event.key)
    if (sample === undefined || event.kind !== 'finished') return false
    const { lease, prompt, index, seed, turn, batch: { id, version, manifestHash } } = sample
    this.#samples.delete(event.key)
    const running = this.#running.get(id)!
    running.left--
    running.report.push({
      lease,
      rollout: { id: `${prompt}/${index}`, version, manifestHash, prompt, index, seed, ...(turn > 0 && { turn }), tokens: [...event.tokens], logProbs: [...event.logProbs], finish: event.finish }
    })
    return true
  }

  reportWhenDue(): void {
    const late = this.#now() - this.#reportedAt >= REPORT_MS
    for (const [id, running] of this.#running) {
      const due = running.left === 0 || running.report.length >= REPORT_ROLLOUTS || (late && running.report.length > 0)
      if (!due) continue
      this.#reportedAt = this.#now()
      this.#events.finished(id, running.report)
      running.report = []
      if (running.left > 0) continue
      this.#running.delete(id)
      this.#events.ended(id)
    }
  }

  /** Forgets the batches, by default all. @returns the keys of what is not finished */
  abandon(version?: PolicyVersion): string[] {
    const keys: string[] = []
    for (const [key, { batch }] of this.#samples) {
      if (version !== undefined && batch.version !== version) continue
      keys.push(key)
      this.#running.delete(batch.id)
    }
    for (const key of keys) this.#samples.delete(key)
    return keys
  }
}
