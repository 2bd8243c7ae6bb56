/** The product's own stage worker in a page of its own, with the shipped model and a LoRA adapter, and nothing else going on. */
import { proxy, wrap } from 'comlink'
import { initialAdapter } from '#shared/model/lora.ts'
import { parseDecoderConfig } from '#shared/model/config.ts'
import { readModelDirectory } from '#shared/model/model-directory.ts'
import type { LoraDescription } from '#shared/protocol/run-description.ts'
import { createRng } from '#shared/random/rng.ts'
import type { StageWorkerApi } from '#web-worker-app/worker/stage-worker-api.ts'
import type { Throughput } from '#web-worker-app/worker/throughput.ts'

const LORA: LoraDescription = { rank: 8, alpha: 32, targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] }

export interface RolloutMeasurement {
  readonly rows: number
  readonly promptTokens: number
  readonly maxTokens: number
}

const worker = wrap<StageWorkerApi>(new Worker(new URL('../../web-worker-app/worker/stage-worker.ts', import.meta.url), { type: 'module' }))

async function read(file: string): Promise<Uint8Array | undefined> {
  const response = await fetch(`/models/murmuration-tiny/${file}`)
  // The development server answers unknown paths with the page.
  if (!response.ok || response.headers.get('content-type')?.startsWith('text/html') === true) return undefined
  return new Uint8Array(await response.arrayBuffer())
}

async function load(): Promise<void> {
  const { weights } = await readModelDirectory(read)
  const model: unknown = await (await fetch('/models/murmuration-tiny/config.json')).json()
  const preferences = { only: 'wasm', allowSoftwareAdapter: false, threads: 1 } as const
  const events = { finished: () => {}, ended: () => {}, generated: () => {}, broken: () => {}, beat: () => {}, crashed: (reason: string) => console.error(reason) }
  const answer = await worker.load({ model, lora: LORA, layers: null, weights, preferences }, proxy(events))
  if (answer.kind !== 'ready') throw new Error(JSON.stringify(answer))
  const tensors = initialAdapter(parseDecoderConfig(model, 'config.json'), LORA, createRng('rollout benchmark'))
  await worker.addVersion(1, { kind: 'adapter', tensors })
}

const loading = load()

const rollouts = {
  async measure({ rows, promptTokens, maxTokens }: RolloutMeasurement): Promise<Throughput> {
    await loading
    const prompt = Array.from({ length: promptTokens }, (_, index) => 4 + (index % 90))
    return worker.measure(1, { rows, prompt, samples: Math.max(4 * rows, 16), maxTokens })
  }
}

declare global {
  interface Window {
    rollouts: typeof rollouts
  }
}

window.rollouts = rollouts
