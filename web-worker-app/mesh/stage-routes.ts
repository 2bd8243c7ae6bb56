import { pipelineOf } from '#shared/pipeline/frame-fragments.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'

/** The engine worker's end of the way from or to a neighbour, and who that is. */
export interface StageRoute {
  readonly peer: string
  readonly port: MessagePort
}

/** The ways of one place that go over links. */
export interface PlaceRoutes {
  readonly pipeline: PipelineId
  /** From the stage before. */
  readonly from?: StageRoute
  /** To the next stage. */
  readonly to?: StageRoute
}

/** Joins the engine worker with the links to its neighbours in a pipeline. Fragments pass through unread. */
export class StageRoutes {
  readonly #send: (peer: string, fragment: Uint8Array<ArrayBuffer>) => void
  readonly #places = new Map<PipelineId, PlaceRoutes>()

  constructor(send: (peer: string, fragment: Uint8Array<ArrayBuffer>) => void) {
    this.#send = send
  }

  open(place: PlaceRoutes): void {
    this.close(place.pipeline)
    this.#places.set(place.pipeline, place)
    const { to } = place
    if (to === undefined) return
    to.port.addEventListener('message', ({ data }: MessageEvent<Uint8Array<ArrayBuffer>>) => this.#send(to.peer, data))
    to.port.start()
  }

  close(pipeline: PipelineId): void {
    const place = this.#places.get(pipeline)
    if (place === undefined) return
    this.#places.delete(pipeline)
    place.from?.port.close()
    place.to?.port.close()
  }

  /** What is not from the stage before, or of another pipeline, is late or nobody's. */
  fragmentFrom(peer: string, fragment: Uint8Array<ArrayBuffer>): void {
    const pipeline = pipelineOf(fragment)
    const from = pipeline === undefined ? undefined : this.#places.get(pipeline)?.from
    if (from?.peer === peer) from.port.postMessage(fragment, [fragment.buffer])
  }
}
