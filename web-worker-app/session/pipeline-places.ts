import type { MicroBatching } from '#shared/pipeline/micro-batching.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import type { PlaceAssigned } from '#shared/protocol/stage-messages.ts'
import { Relay } from '../mesh/relay.ts'
import type { PlaceRoutes } from '../mesh/stage-routes.ts'
import type { PipelinePlace } from '../worker/stage-worker-api.ts'

type Fragment = Uint8Array<ArrayBuffer>

export interface PipelinePlacesOptions {
  readonly isLinked: (peer: string) => boolean
  /** Ways that go over links, past the page. Resolves when fragments will find them. */
  readonly openRoutes: (routes: PlaceRoutes) => Promise<void>
  readonly closeRoutes: (pipeline: PipelineId) => void
  /** For the next stage, through the signaling server. */
  readonly relay: (pipeline: PipelineId, fragment: Fragment) => void
  /** This tab gives the place up: the server does not know yet. */
  readonly broken: (pipeline: PipelineId, reason: string) => void
  readonly join: (place: PipelinePlace) => void
  readonly tune: (pipeline: PipelineId, batching: MicroBatching) => void
  readonly leave: (pipeline: PipelineId) => void
  /** The links are there, and the worker is told of the place; at the first stage it will be when the pipeline opens. */
  readonly taken: (pipeline: PipelineId) => void
}

interface Place extends PlaceAssigned {
  /** From or to neighbours without a link; undefined where there are none. */
  readonly relay?: Relay
  /** To the worker, from the stage before and to the next: what is relayed before the place is taken waits in them. */
  readonly incoming: MessageChannel
  readonly outgoing: MessageChannel
  /** The worker's; undefined before the place is taken. */
  ports?: Pick<PipelinePlace, 'incoming' | 'outgoing'>
  joined: boolean
}

/** This tab's place in a pipeline: joins the worker's channels with the links to its neighbours, or with the relay where there is none. Frames pass through unread. */
export class PipelinePlaces {
  readonly #options: PipelinePlacesOptions
  #place: Place | undefined

  constructor(options: PipelinePlacesOptions) {
    this.#options = options
  }

  get pipeline(): PipelineId | undefined {
    return this.#place?.pipeline
  }

  /** undefined where no neighbour needs it. */
  get relay(): Relay | undefined {
    return this.#place?.relay
  }

  /** Neighbours to which the signaling server passes on what is for them. */
  get relayedNeighbours(): string[] {
    const { previous = null, next = null } = this.#place ?? {}
    return [...new Set([previous, next].flatMap(neighbour => (neighbour?.path === 'relay' ? [neighbour.peer] : [])))]
  }

  assign(assigned: PlaceAssigned): void {
    this.giveUp()
    const [incoming, outgoing] = [new MessageChannel(), new MessageChannel()]
    const isRelayed = [assigned.previous, assigned.next].some(neighbour => neighbour?.path === 'relay')
    this.#place = { ...assigned, incoming, outgoing, joined: false, ...(isRelayed && { relay: this.#openRelay(assigned, incoming.port1) }) }
    this.#takeWhenLinked()
  }

  /** Every place of the pipeline is taken: its first stage may begin. Again when the costs of its stages have changed. */
  opened(pipeline: PipelineId, batching: MicroBatching): void {
    const place = this.#place
    if (place?.pipeline !== pipeline) return
    if (place.joined) this.#options.tune(pipeline, batching)
    else this.#join(place, batching)
  }

  /** @param broken why, where the server does not know; it is told */
  giveUp(broken?: string): void {
    const place = this.#place
    if (place === undefined) return
    this.#place = undefined
    if (broken === undefined) place.relay?.ended()
    else if (place.relay === undefined) this.#options.broken(place.pipeline, broken)
    else place.relay.close(broken)
    if (place.ports !== undefined) this.#options.closeRoutes(place.pipeline)
    if (place.joined) this.#options.leave(place.pipeline)
  }

  linkUp(): void {
    this.#takeWhenLinked()
  }

  #takeWhenLinked(): void {
    const place = this.#place
    if (place === undefined || place.ports !== undefined) return
    const neighbours = [place.previous, place.next].filter(neighbour => neighbour !== null)
    if (neighbours.some(({ peer, path }) => path === 'link' && !this.#options.isLinked(peer))) return
    const routes = this.#openChannels(place)
    // What the first stage has to do would reach others before they have taken their places.
    if (place.stage > 0) this.#join(place)
    void this.#take(place, routes)
  }

  /** Whoever hears that the place is taken may send at once. */
  async #take(place: Place, routes: PlaceRoutes): Promise<void> {
    if (routes.from !== undefined || routes.to !== undefined) await this.#options.openRoutes(routes)
    if (this.#place === place) this.#options.taken(place.pipeline)
  }

  /** @returns the ways that go over links */
  #openChannels(place: Place): PlaceRoutes {
    const { previous, next, pipeline, relay, incoming, outgoing } = place
    place.ports = {}
    if (previous === null || next === null) return { pipeline }
    place.ports = { incoming: incoming.port2, outgoing: outgoing.port2 }
    if (next.path === 'relay') {
      outgoing.port1.addEventListener('message', ({ data }: MessageEvent<Fragment>) => relay!.sendStageFragment(data))
      outgoing.port1.start()
    }
    return {
      pipeline,
      ...(previous.path === 'link' && { from: { peer: previous.peer, port: incoming.port1 } }),
      ...(next.path === 'link' && { to: { peer: next.peer, port: outgoing.port1 } })
    }
  }

  #openRelay({ pipeline, previous }: PlaceAssigned, toWorker: MessagePort): Relay {
    const { relay: passOn, broken: breakPipeline } = this.#options
    const relay = new Relay(pipeline, { passOn, breakPipeline }, {
      up: () => undefined,
      down: () => toWorker.close(),
      stageFragment: fragment => {
        // A link's end of it is with the network worker.
        if (previous?.path === 'relay') toWorker.postMessage(fragment, [fragment.buffer])
      }
    })
    relay.start()
    return relay
  }

  #join(place: Place, batching?: MicroBatching): void {
    if (place.ports === undefined) return
    place.joined = true
    this.#options.join({ pipeline: place.pipeline, encoding: place.encoding, rows: place.rows, ...(batching !== undefined && { batching }), ...place.ports })
  }
}
