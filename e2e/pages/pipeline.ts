/** A ring of stage workers with a small random model, for `pipeline.spec.ts`. */
import { parseDecoderConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import type { FinishReason, SequenceRequest } from '#shared/pipeline/pipeline-driver.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import type { Generated, LoadAnswer } from '#web-worker-app/worker/stage-worker-api.ts'
import { joinRing, openRing, type RingTab } from './pipeline-ring.ts'

interface Opening {
  readonly model: unknown
  readonly lora: LoraConfig
  /** Where the layers are cut: [0, 2, 4] is two stages of two layers. */
  readonly cut: readonly number[]
  readonly weights: string
  readonly engine: 'wasm' | 'webgpu'
  /** Rows of the stages after the first, which then start like those of a tab that has tried its engines before: with no self-test and no measurement. */
  readonly knownRows?: number
}

export interface Completion {
  readonly tokens: readonly number[]
  readonly logProbs: readonly number[]
  readonly finish: FinishReason
}

function heard(event: Generated): void {
  if (event.kind === 'token') {
    tokens.set(event.key, [...(tokens.get(event.key) ?? []), event.token])
    tokenHeard(event.key)
  } else {
    finished.set(event.key, { tokens: event.tokens, logProbs: event.logProbs, finish: event.finish })
  }
  changed()
}

const tokens = new Map<string, number[]>()
const finished = new Map<string, Completion>()
const breaks: string[] = []
let ring: RingTab[] = []
let changed = (): void => {}
let tokenHeard: (key: string) => void = () => {}

const pipelines = {
  async open({ model, lora, cut, weights, engine, knownRows }: Opening): Promise<LoadAnswer[]> {
    const config = parseDecoderConfig(model, 'config.json')
    ring = await openRing(cut.length - 1)
    return Promise.all(
      ring.map((tab, index) =>
        tab.load(
          {
            model,
            lora,
            layers: { start: cut[index]!, end: cut[index + 1]! },
            weights: randomWeights(config, weights),
            preferences: { only: engine, allowSoftwareAdapter: true, threads: 1 },
            ...(index > 0 && knownRows !== undefined && { known: { engine, rows: knownRows } })
          },
          { generated: heard, broken: (name, reason) => void breaks.push(`${name}: ${reason}`) }
        )
      )
    )
  },

  async addVersion(model: unknown, lora: LoraConfig, version: number, adapter: string | null): Promise<void> {
    const config = parseDecoderConfig(model, 'config.json')
    for (const { stage } of ring) await stage.addVersion(version, adapter === null ? { kind: 'base' } : { kind: 'adapter', tensors: randomAdapter(config, lora, adapter) })
  },

  /** Another pipeline takes the place of the one that is there. */
  join(pipeline: PipelineId, microBatches: number): Promise<void> {
    return joinRing(ring, pipeline, { encoding: 'f32', batching: microBatches, delayMs: 0 })
  },

  request(requests: readonly SequenceRequest[]): Promise<void> {
    return ring[0]!.stage.request(requests)
  },

  /** Resolves when the sequence has so many tokens. */
  async hears(key: string, count: number): Promise<void> {
    while ((tokens.get(key)?.length ?? 0) < count && !finished.has(key)) await new Promise<void>(resolve => (tokenHeard = heardKey => void (heardKey === key && resolve())))
  },

  /** Resolves when all of them are finished. */
  async whole(keys: readonly string[]): Promise<Record<string, Completion & { readonly streamed: readonly number[] }>> {
    while (keys.some(key => !finished.has(key))) await new Promise<void>(resolve => (changed = resolve))
    return Object.fromEntries(keys.map(key => [key, { ...finished.get(key)!, streamed: tokens.get(key)! }]))
  },

  /** Sends a fragment of the test's to a stage, as its predecessor would. */
  send(stage: number, fragment: readonly number[]): Promise<void> {
    const before = ring[(stage + ring.length - 1) % ring.length]!
    return before.send(ring[stage]!.name, Uint8Array.from(fragment))
  },

  breaks: (): readonly string[] => breaks
}

declare global {
  interface Window {
    pipelines: typeof pipelines
  }
}

window.pipelines = pipelines
