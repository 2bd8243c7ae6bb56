/** Stage workers of the product in one page, joined to a ring by real data channels: for tests and benchmarks of staged execution. */
import { proxy, transfer, wrap, type Remote } from 'comlink'
import { pipelineOf } from '#shared/pipeline/frame-fragments.ts'
import type { HiddenEncoding } from '#shared/pipeline/stage-frames.ts'
import type { MicroBatching } from '#shared/pipeline/micro-batching.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import { PeerLinks } from '#web-worker-app/mesh/peer-links.ts'
import type { StepMeasured } from '#web-worker-app/worker/stage-loop.ts'
import type { Generated, LoadAnswer, LoadRequest, StageWorkerApi } from '#web-worker-app/worker/stage-worker-api.ts'

export interface RingListener {
  generated(event: Generated): void
  broken(tab: string, reason: string): void
  measured?(tab: string, step: StepMeasured): void
}

/** One worker with its links, as a tab of its own would have them. */
export class RingTab {
  readonly name: string
  readonly links: PeerLinks
  readonly stage: Remote<StageWorkerApi>
  readonly #linked = new Map<string, () => void>()
  /** To the worker, by pipeline. */
  readonly #ports = new Map<PipelineId, MessagePort>()

  constructor(name: string, tabs: ReadonlyMap<string, RingTab>) {
    this.name = name
    this.stage = wrap<StageWorkerApi>(new Worker(new URL('../../web-worker-app/worker/stage-worker.ts', import.meta.url), { type: 'module' }))
    this.links = new PeerLinks(() => [], {
      linkUp: peer => this.#linked.get(peer)?.(),
      linkDown: () => undefined,
      linkLost: () => undefined,
      frame: () => undefined,
      signal: (to, data) => tabs.get(to)!.links.signal(name, data),
      stageFragment: (_, fragment) => this.#ports.get(pipelineOf(fragment)!)?.postMessage(fragment, [fragment.buffer])
    })
  }

  linkedTo(peer: string): boolean {
    return this.#linked.has(peer)
  }

  /** Resolves when the link to `peer` is up. */
  link(peer: string, initiator: boolean): Promise<void> {
    return new Promise(resolve => {
      this.#linked.set(peer, resolve)
      this.links.introduce(peer, initiator)
    })
  }

  load(request: LoadRequest, listener: RingListener): Promise<LoadAnswer> {
    const events = {
      finished: () => undefined,
      ended: () => undefined,
      generated: (_: PipelineId, all: Generated[]) => all.forEach(event => listener.generated(event)),
      broken: (_: PipelineId, reason: string) => listener.broken(this.name, reason),
      beat: (_: unknown, __: boolean, steps: StepMeasured[]) => steps.forEach(step => listener.measured?.(this.name, step)),
      crashed: (reason: string) => listener.broken(this.name, `crashed: ${reason}`)
    }
    return this.stage.load(request, proxy(events))
  }

  /**
   * Takes a place before `next`; without one it is the whole pipeline.
   * @param delayMs added to the way of every fragment, one way
   */
  async join(place: { readonly pipeline: PipelineId; readonly encoding: HiddenEncoding; readonly batching: MicroBatching }, next: string | undefined, delayMs: number): Promise<void> {
    if (next === undefined) return this.stage.join(place)
    const incoming = new MessageChannel()
    const outgoing = new MessageChannel()
    this.#ports.set(place.pipeline, incoming.port1)
    outgoing.port1.addEventListener('message', ({ data }: MessageEvent<Uint8Array<ArrayBuffer>>) => {
      if (delayMs === 0) this.links.sendStageFragment(next, data)
      else setTimeout(() => this.links.sendStageFragment(next, data), delayMs)
    })
    outgoing.port1.start()
    await this.stage.join(transfer({ ...place, incoming: incoming.port2, outgoing: outgoing.port2 }, [incoming.port2, outgoing.port2]))
  }
}

/** Tabs 0 … count − 1, each linked to the next and the last to the first. */
export async function openRing(count: number): Promise<RingTab[]> {
  const tabs = new Map<string, RingTab>()
  const ring = Array.from({ length: count }, (_, index) => new RingTab(`tab${index}`, tabs))
  for (const tab of ring) tabs.set(tab.name, tab)
  await Promise.all(ring.map((tab, index) => linkTabs(tab, ring[(index + 1) % count]!)))
  return ring
}

async function linkTabs(a: RingTab, b: RingTab): Promise<void> {
  if (a === b || a.linkedTo(b.name)) return
  await Promise.all([b.link(a.name, false), a.link(b.name, true)])
}

/** From the last to the first, so that everybody is there when the first begins. Replaces the pipeline that they were. */
export async function joinRing(ring: readonly RingTab[], pipeline: PipelineId, options: { readonly encoding: HiddenEncoding; readonly batching: MicroBatching; readonly delayMs: number }): Promise<void> {
  for (const [index, tab] of [...ring.entries()].toReversed()) {
    const next = ring.length === 1 ? undefined : ring[(index + 1) % ring.length]!.name
    await tab.join({ pipeline, encoding: options.encoding, batching: options.batching }, next, options.delayMs)
  }
}
