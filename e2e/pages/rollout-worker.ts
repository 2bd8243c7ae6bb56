/** The product's own rollout worker with a small random model, for `rollout-worker.spec.ts`. */
import type { Batch } from '#shared/coordination/lease-queue.ts'
import type { FinishedRollout } from '#shared/coordination/volunteer-state.ts'
import { parseDecoderConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import { EngineHost } from '#web-worker-app/session/engine-host.ts'
import type { EnginePreferences, LoadAnswer } from '#web-worker-app/worker/rollout-worker-api.ts'

let host: EngineHost
const finished = new Map<number, FinishedRollout[]>()
const ended = new Set<number>()
let changed = (): void => {}

const worker = {
  load(model: unknown, lora: LoraConfig, weights: string, preferences: EnginePreferences): Promise<LoadAnswer> {
    return new Promise((resolve, reject) => {
      host = new EngineHost(reason => reject(new Error(reason)))
      host.load(
        () => Promise.resolve({ model, lora, weights: randomWeights(parseDecoderConfig(model, 'config.json'), weights), preferences }),
        {
          finished: (batch, rollouts) => {
            finished.set(batch, [...(finished.get(batch) ?? []), ...rollouts])
            changed()
          },
          ended: batch => {
            ended.add(batch)
            changed()
          }
        },
        resolve
      )
    })
  },
  usePolicy(model: unknown, lora: LoraConfig, adapter: string | null): void {
    host.usePolicy(() =>
      Promise.resolve(adapter === null ? { kind: 'base' } : { kind: 'adapter', tensors: randomAdapter(parseDecoderConfig(model, 'config.json'), lora, adapter) })
    )
  },
  generate: (batch: Batch): void => host.generate(batch),
  hold: (): void => host.hold(),
  release: (): void => host.release(),
  abandon: (): void => host.abandon(),
  finished: (batch: number): FinishedRollout[] => finished.get(batch) ?? [],
  hasEnded: (batch: number): boolean => ended.has(batch),
  /** Resolves when all of the batch has been reported. */
  async whole(batch: number): Promise<FinishedRollout[]> {
    while (!ended.has(batch)) await new Promise<void>(resolve => (changed = resolve))
    return finished.get(batch) ?? []
  },
  /** Resolves when something of the batch has been reported. */
  async first(batch: number): Promise<void> {
    while (!finished.has(batch)) await new Promise<void>(resolve => (changed = resolve))
  }
}

declare global {
  interface Window {
    rolloutWorker: typeof worker
  }
}

window.rolloutWorker = worker
