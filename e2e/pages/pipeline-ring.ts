/** Stage workers of the product in one page, joined to a ring by real data channels: for tests and benchmarks of staged execution. */
import { proxy, transfer, wrap, type Remote } from 'comlink'
import type { HiddenEncoding } from '#shared/pipeline/stage-frames.ts'
import type { MicroBatching } from '#shared/pipeline/micro-batching.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import { NetworkHost } from '#web-worker-app/network/network-host.ts'
import type { StepMeasured } from '#web-worker-app/worker/stage-loop.ts'
import type { Generated, LoadAnswer, LoadRequest, StageWorkerApi } from '#web-worker-app/worker/stage-worker-api.ts'

export interface RingListener {
  generated(event: Generated): void
  broken(tab: string, reason: string): void
  measured?(tab: string, step: StepMeasured): void
}

/** No pipeline has this number. */
const OF_NO_STAGE = 0xffff_ffff

/** One engine worker with its network worker, as a tab of its own would have them. */
export class RingTab {
  readonly name: string
  readonly network: NetworkHost
  readonly stage: Remote<StageWorkerApi>
  readonly #linked = new Map<string, () => void>()

  constructor(name: string, tabs: ReadonlyMap<string, RingTab>) {
    this.name = name
    this.stage = wrap<StageWorkerApi>(new Worker(new URL('../../web-worker-app/worker/stage-worker.ts', import.meta.url), { type: 'module' }))
    this.network = new NetworkHost({
      connectionConfig: () => ({ iceServers: [] }),
      storage: {},
      stored: () => undefined,
      grant: () => Promise.resolve([]),
      linkUp: peer => this.#linked.get(peer)?.(),
      linkDown: () => undefined,
      linkLost: () => undefined,
      signal: (to, data) => tabs.get(to)!.network.takeSignal(name, data),
      roundTrip: () => undefined,
      uploaded: () => undefined,
      unavailable: () => undefined,
      fault: () => undefined,
      connectionsUsedUp: () => undefined,
      changed: () => undefined
    })
  }

  linkedTo(peer: string): boolean {
    return this.#linked.has(peer)
  }

  /** Resolves when the link to `peer` is up. */
  link(peer: string, initiator: boolean): Promise<void> {
    return new Promise(resolve => {
      this.#linked.set(peer, resolve)
      this.network.introduce(peer, initiator)
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
   * Takes a place between `previous` and `next`; without them it is the whole pipeline.
   * @param delayMs added to the way of every fragment, one way
   */
  async join(place: { readonly pipeline: PipelineId; readonly encoding: HiddenEncoding; readonly batching: MicroBatching }, neighbours: { readonly previous: string; readonly next: string } | undefined, delayMs: number): Promise<void> {
    if (neighbours === undefined) return this.stage.join(place)
    const incoming = new MessageChannel()
    const outgoing = new MessageChannel()
    await this.network.openRoutes({
      pipeline: place.pipeline,
      from: { peer: neighbours.previous, port: incoming.port1 },
      to: { peer: neighbours.next, port: delayMs === 0 ? outgoing.port1 : delayed(outgoing.port1, delayMs) }
    })
    await this.stage.join(transfer({ ...place, incoming: incoming.port2, outgoing: outgoing.port2 }, [incoming.port2, outgoing.port2]))
  }

  /** A fragment of a test's, as this tab's stage would send it. */
  async send(next: string, fragment: Uint8Array<ArrayBuffer>): Promise<void> {
    const { port1, port2 } = new MessageChannel()
    await this.network.openRoutes({ pipeline: OF_NO_STAGE, to: { peer: next, port: port2 } })
    port1.postMessage(fragment, [fragment.buffer])
  }
}

/** @returns a port on which everything comes so much later */
function delayed(port: MessagePort, delayMs: number): MessagePort {
  const later = new MessageChannel()
  port.addEventListener('message', ({ data }: MessageEvent<Uint8Array<ArrayBuffer>>) => {
    setTimeout(() => later.port1.postMessage(data, [data.buffer]), delayMs)
  })
  port.start()
  return later.port2
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
    const at = (offset: number): string => ring[(index + offset + ring.length) % ring.length]!.name
    const neighbours = ring.length === 1 ? undefined : { previous: at(-1), next: at(1) }
    await tab.join({ pipeline, encoding: options.encoding, batching: options.batching }, neighbours, options.delayMs)
  }
}
