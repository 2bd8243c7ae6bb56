import { pipelineOf } from '#shared/pipeline/frame-fragments.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import type { StageLink, StageLinkListener } from './stage-link.ts'

/** What a relay says to the signaling server. */
export interface RelayServer {
  /** For the next stage, if it is that to which no link can be made. */
  passOn(pipeline: PipelineId, fragment: Uint8Array<ArrayBuffer>): void
  /** The place is given up. The server ends the pipeline, and tells all others who have a place in it. */
  breakPipeline(pipeline: PipelineId, reason: string): void
}

/**
 * The way by the signaling server, from or to a neighbour in a pipeline to whom no link can be made, or both. The server tells everybody of
 * their places before it passes anything on, and over the same sockets: both ends listen as soon as they know of each other.
 */
export class Relay implements StageLink {
  readonly #pipeline: PipelineId
  readonly #server: RelayServer
  readonly #listener: StageLinkListener
  #state: 'opening' | 'up' | 'down' = 'opening'
  #bytesSent = 0
  #bytesReceived = 0

  constructor(pipeline: PipelineId, server: RelayServer, listener: StageLinkListener) {
    this.#pipeline = pipeline
    this.#server = server
    this.#listener = listener
  }

  start(): void {
    if (this.#state !== 'opening') return
    this.#state = 'up'
    this.#listener.up()
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  get bytesSent(): number {
    return this.#bytesSent
  }

  get bytesReceived(): number {
    return this.#bytesReceived
  }

  /** @throws {RangeError} when it is longer than a fragment: the server would refuse it */
  sendStageFragment(fragment: Uint8Array<ArrayBuffer>): void {
    if (fragment.byteLength > LIMITS.stageFragmentBytes) throw new RangeError(`a fragment of ${fragment.byteLength} bytes for pipeline ${this.#pipeline}: ${LIMITS.stageFragmentBytes} are the most`)
    if (!this.isUp) return
    this.#bytesSent += fragment.byteLength
    this.#server.passOn(this.#pipeline, fragment)
  }

  /** The server passed this on. What is of another pipeline is late or nobody's. */
  heard(fragment: Uint8Array<ArrayBuffer>): void {
    if (!this.isUp || pipelineOf(fragment) !== this.#pipeline) return
    this.#bytesReceived += fragment.byteLength
    this.#listener.stageFragment(fragment)
  }

  close(reason = 'the relay was closed'): void {
    if (this.#goDown()) this.#server.breakPipeline(this.#pipeline, reason)
  }

  /** The server has taken the place back, or gives another. */
  ended(): void {
    this.#goDown()
  }

  #goDown(): boolean {
    if (this.#state === 'down') return false
    const wasUp = this.isUp
    this.#state = 'down'
    this.#listener.down(wasUp)
    return true
  }
}
