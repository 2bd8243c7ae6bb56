/** The product's own host of a stage worker with a small random model, for `engine-host.spec.ts`. */
import type { Batch } from '#shared/coordination/lease-queue.ts'
import type { FinishedRollout } from '#shared/coordination/volunteer-state.ts'
import { parseDecoderConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import { announced } from '#shared/testing/volunteer-testbed.ts'
import { EngineHost } from '#web-worker-app/session/engine-host.ts'
import type { EnginePreferences, EngineTried } from '#web-worker-app/worker/stage-worker-api.ts'

let host: EngineHost
let versions = 0
const finished = new Map<number, FinishedRollout[]>()
const ended = new Set<number>()
let changed = (): void => {}

const worker = {
  load(model: unknown, lora: LoraConfig, weights: string, preferences: EnginePreferences): Promise<EngineTried> {
    return new Promise((resolve, reject) => {
      const fail = (reason: string): void => reject(new Error(reason))
      host = new EngineHost({ crashed: fail, unreachable: fail })
      host.load(
        () => Promise.resolve({ model, lora, layers: null, weights: randomWeights(parseDecoderConfig(model, 'config.json'), weights), preferences }),
        {
          finished: (batch, rollouts) => {
            finished.set(batch, [...(finished.get(batch) ?? []), ...rollouts])
            changed()
          },
          ended: batch => {
            ended.add(batch)
            changed()
          },
          generated: () => undefined,
          broken: (_, reason) => reject(new Error(reason)),
          beat: () => undefined
        },
        answer => {
          host.join({ pipeline: 0, encoding: 'f32' })
          resolve(answer)
        }
      )
    })
  },
  /** @returns the number of the version with this adapter */
  addVersion(model: unknown, lora: LoraConfig, adapter: string | null): number {
    const version = versions++
    host.addVersion(announced(version), () =>
      Promise.resolve(adapter === null ? { kind: 'base' } : { kind: 'adapter', tensors: randomAdapter(parseDecoderConfig(model, 'config.json'), lora, adapter) })
    )
    return version
  },
  dropVersion: (version: number): void => host.dropVersion(version),
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
    engineHost: typeof worker
  }
}

window.engineHost = worker
