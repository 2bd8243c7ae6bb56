/** Stage workers of the product in one page, joined to a ring by real data channels, for `pipeline.spec.ts`. */
import { proxy, transfer, wrap, type Remote } from 'comlink'
import { parseDecoderConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import { pipelineOf } from '#shared/pipeline/frame-fragments.ts'
import type { FinishReason, SequenceRequest } from '#shared/pipeline/pipeline-driver.ts'
import type { HiddenEncoding } from '#shared/pipeline/stage-frames.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import { PeerLinks } from '#web-worker-app/mesh/peer-links.ts'
import type { LoadAnswer } from '#web-worker-app/worker/rollout-worker-api.ts'
import type { FirstPlace, Generated, StageWorkerApi } from '#web-worker-app/worker/stage-worker-api.ts'

interface Opening {
  readonly model: unknown
  readonly lora: LoraConfig
  /** Where the layers are cut: [0, 2, 4] is two stages of two layers. */
  readonly cut: readonly number[]
  readonly weights: string
  readonly engine: 'wasm' | 'webgpu'
}

export interface Completion {
  readonly tokens: readonly number[]
  readonly logProbs: readonly number[]
  readonly finish: FinishReason
}

class Tab {
  readonly name: string
  readonly links: PeerLinks
  readonly stage: Remote<StageWorkerApi>
  readonly linked = new Map<string, () => void>()
  /** To the worker, by pipeline. */
  readonly ports = new Map<PipelineId, MessagePort>()

  constructor(name: string, tabs: ReadonlyMap<string, Tab>) {
    this.name = name
    this.stage = wrap<StageWorkerApi>(new Worker(new URL('../../web-worker-app/worker/stage-worker.ts', import.meta.url), { type: 'module' }))
    this.links = new PeerLinks([], {
      linkUp: peer => this.linked.get(peer)?.(),
      linkDown: () => undefined,
      linkLost: () => undefined,
      frame: () => undefined,
      signal: (to, data) => tabs.get(to)!.links.signal(name, data),
      stageFragment: (_, fragment) => this.ports.get(pipelineOf(fragment)!)?.postMessage(fragment, [fragment.buffer])
    })
  }

  /** Takes a place between two others; without others it is the whole pipeline. */
  async join(pipeline: PipelineId, encoding: HiddenEncoding, next: string | undefined, first: FirstPlace | undefined, broken: (reason: string) => void): Promise<void> {
    const events = proxy({ generated: (all: Generated[]) => all.forEach(heard), broken })
    const place = { pipeline, encoding, ...(first !== undefined && { first }) }
    if (next === undefined) return this.stage.join(place, events)
    const incoming = new MessageChannel()
    const outgoing = new MessageChannel()
    this.ports.set(pipeline, incoming.port1)
    outgoing.port1.addEventListener('message', ({ data }: MessageEvent<Uint8Array<ArrayBuffer>>) => void this.links.sendStageFragment(next, data))
    outgoing.port1.start()
    await this.stage.join(transfer({ ...place, incoming: incoming.port2, outgoing: outgoing.port2 }, [incoming.port2, outgoing.port2]), events)
  }
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

const tabs = new Map<string, Tab>()
const tokens = new Map<string, number[]>()
const finished = new Map<string, Completion>()
const breaks: string[] = []
let ring: Tab[] = []
let changed = (): void => {}
let tokenHeard: (key: string) => void = () => {}

const pipelines = {
  async open({ model, lora, cut, weights, engine }: Opening): Promise<LoadAnswer[]> {
    const config = parseDecoderConfig(model, 'config.json')
    ring = cut.slice(1).map((_, index) => {
      const tab = new Tab(`tab${index}`, tabs)
      tabs.set(tab.name, tab)
      return tab
    })
    await Promise.all(ring.map((tab, index) => linkTabs(tab, ring[(index + 1) % ring.length]!)))
    return Promise.all(
      ring.map((tab, index) =>
        tab.stage.load(
          { model, lora, layers: { start: cut[index]!, end: cut[index + 1]! }, weights: randomWeights(config, weights), preferences: { only: engine, allowSoftwareAdapter: true, threads: 1 } },
          proxy(() => undefined)
        )
      )
    )
  },

  async addVersion(model: unknown, lora: LoraConfig, version: number, adapter: string | null): Promise<void> {
    const config = parseDecoderConfig(model, 'config.json')
    for (const { stage } of ring) await stage.addVersion(version, adapter === null ? { kind: 'base' } : { kind: 'adapter', tensors: randomAdapter(config, lora, adapter) })
  },

  async join(pipeline: PipelineId, encoding: HiddenEncoding, first: FirstPlace): Promise<void> {
    const whole = ring.length === 1
    for (const [index, tab] of [...ring.entries()].toReversed()) {
      await tab.join(pipeline, encoding, whole ? undefined : ring[(index + 1) % ring.length]!.name, index === 0 ? first : undefined, reason => void breaks.push(`${tab.name}: ${reason}`))
    }
  },

  /** Another ring takes over: the others forget what they have of the old one. */
  async replace(old: PipelineId, pipeline: PipelineId, microBatches: number): Promise<void> {
    for (const tab of ring.slice(1)) await tab.stage.leave(old)
    await pipelines.join(pipeline, 'f32', { microBatches, replaces: old })
  },

  request(pipeline: PipelineId, requests: readonly SequenceRequest[]): Promise<void> {
    return ring[0]!.stage.request(pipeline, requests)
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
  send(stage: number, fragment: readonly number[]): boolean {
    const before = ring[(stage + ring.length - 1) % ring.length]!
    return before.links.sendStageFragment(ring[stage]!.name, Uint8Array.from(fragment))
  },

  breaks: (): readonly string[] => breaks
}

async function linkTabs(a: Tab, b: Tab): Promise<void> {
  if (a === b || a.linked.has(b.name)) return
  const up = [a, b].map((tab, index) => new Promise<void>(resolve => tab.linked.set([b, a][index]!.name, resolve)))
  b.links.introduce(a.name, false)
  a.links.introduce(b.name, true)
  await Promise.all(up)
}

declare global {
  interface Window {
    pipelines: typeof pipelines
  }
}

window.pipelines = pipelines
