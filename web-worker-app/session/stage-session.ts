import type { LinkStatus } from '#shared/protocol/peer-status.ts'
import type { SequencesGenerated, STAGE_HEARS, STAGE_TELLS } from '#shared/protocol/stage-messages.ts'
import type { v } from '#shared/protocol/schema.ts'
import type { VolunteerInput } from '#shared/coordination/volunteer-state.ts'
import type { NetworkHost } from '../network/network-host.ts'
import type { Generated, WorkerEvents } from '../worker/stage-worker-api.ts'
import type { EngineHost } from './engine-host.ts'
import { PipelinePlaces } from './pipeline-places.ts'

const SEQUENCES_PER_MESSAGE = 512

type Told<Event extends keyof typeof STAGE_TELLS> = v.InferOutput<(typeof STAGE_TELLS)[Event]>
type StageListener = { readonly [Event in keyof typeof STAGE_HEARS]: (message: v.InferOutput<(typeof STAGE_HEARS)[Event]>) => void }

export interface StageSessionOptions {
  readonly network: () => NetworkHost | undefined
  /** undefined while none is loaded. */
  readonly engine: () => EngineHost | undefined
  readonly tell: <Event extends keyof typeof STAGE_TELLS>(event: Event, message: Told<Event>) => void
  readonly dispatch: (input: VolunteerInput) => void
}

/** What the signaling server says of layers, places and people's requests, between it and the worker. */
export class StageSession {
  readonly #options: StageSessionOptions
  readonly #places: PipelinePlaces
  /** Keys of people's requests that are neither finished nor given up. */
  readonly #requested = new Set<string>()

  constructor(options: StageSessionOptions) {
    this.#options = options
    const { network, engine, tell } = options
    this.#places = new PipelinePlaces({
      isLinked: peer => network()?.isLinked(peer) === true,
      openRoutes: async routes => network()?.openRoutes(routes),
      closeRoutes: pipeline => network()?.closeRoutes(pipeline),
      relay: (pipeline, fragment) => tell('stage_fragment', { pipeline, fragment }),
      broken: (pipeline, reason) => tell('pipeline_broken', { pipeline, reason: reason.slice(0, 300) }),
      join: place => engine()?.join(place),
      tune: (pipeline, batching) => engine()?.tune(pipeline, batching),
      leave: pipeline => engine()?.leave(pipeline),
      taken: pipeline => tell('place_taken', { pipeline })
    })
  }

  readonly heard: StageListener = {
    slice_assigned: ({ layers }) => this.#options.dispatch({ kind: 'slice_assigned', layers }),
    place_assigned: place => {
      // The slice was lost or given up since the server counted on it.
      if (this.#options.engine() === undefined) return this.#options.tell('pipeline_broken', { pipeline: place.pipeline, reason: 'the layers are not loaded' })
      // Every stage may have a full micro-batch at once.
      this.#options.dispatch({ kind: 'place_assigned', stage: place.stage, rows: place.rows * place.stages })
      this.#places.assign(place)
    },
    place_revoked: ({ pipeline }) => {
      if (pipeline !== this.#places.pipeline) return
      this.#places.giveUp()
      this.#options.dispatch({ kind: 'place_lost' })
    },
    pipeline_open: ({ pipeline, versions, ring }) => {
      if (pipeline !== this.#places.pipeline) return
      this.#places.opened(pipeline, ring)
      this.#options.dispatch({ kind: 'pipeline_open', versions })
    },
    sequences_requested: ({ requests }) => {
      this.#options.engine()?.request(requests.map(request => ({ ...request, interactive: true })))
      for (const { key } of requests) this.#requested.add(key)
      this.#tellWaiting()
    },
    sequences_given_up: ({ keys }) => this.#giveUpRequests(keys),
    // Whichever of both it is: its own buffer, which will be handed on.
    stage_fragment: ({ fragment }) => this.#places.relay?.heard(fragment instanceof ArrayBuffer ? new Uint8Array(fragment) : new Uint8Array(fragment))
  }

  readonly events: Pick<WorkerEvents, 'generated' | 'broken'> = {
    generated: (pipeline, events) => {
      for (const sequences of inMessages(events)) this.#options.tell('sequences_generated', { pipeline, sequences })
      const finished = events.filter(event => event.kind === 'finished' && this.#requested.delete(event.key))
      if (finished.length > 0) this.#tellWaiting()
    },
    broken: (pipeline, reason) => {
      if (pipeline === this.#places.pipeline) this.giveUp(reason)
    }
  }

  /** The neighbours without a link. What comes and goes by the server is counted once for both. */
  relayed(): LinkStatus[] {
    const { bytesSent = 0, bytesReceived = 0 } = this.#places.relay ?? {}
    return this.#places.relayedNeighbours.map(peer => ({ peer, path: 'socket', roundTripMs: null, bytesSent, bytesReceived }))
  }

  linkUp(): void {
    this.#places.linkUp()
  }

  /** The worker cannot go on with its place. */
  giveUp(reason: string): void {
    const { pipeline } = this.#places
    if (pipeline === undefined) return
    console.warn(`the place in pipeline ${pipeline} was given up: ${reason}`)
    this.#places.giveUp(reason)
    this.#giveUpRequests([...this.#requested])
    this.#options.dispatch({ kind: 'place_lost' })
  }

  /** Nobody hears what is generated for people; the server has others do it. What was leased goes on. */
  disconnected(): void {
    this.#giveUpRequests([...this.#requested])
  }

  /** The engine goes, or the server gives places anew. What people asked for, it asks of others. */
  end(): void {
    this.#places.giveUp()
    this.#giveUpRequests([...this.#requested])
  }

  #giveUpRequests(keys: readonly string[]): void {
    if (keys.length === 0) return
    this.#options.engine()?.giveUp(keys)
    for (const key of keys) this.#requested.delete(key)
    this.#tellWaiting()
  }

  #tellWaiting(): void {
    this.#options.dispatch({ kind: 'people_waiting', answers: this.#requested.size })
  }
}

type Sequences = SequencesGenerated['sequences']

/** One entry for each sequence, in the order in which they were first heard of. */
function inMessages(events: readonly Generated[]): Sequences[] {
  const byKey = new Map<string, { key: string; tokens: number[]; logProbs: number[]; finish: 'stop' | 'length' | null }>()
  for (const event of events) {
    const entry = byKey.get(event.key) ?? { key: event.key, tokens: [], logProbs: [], finish: null }
    byKey.set(event.key, entry)
    if (event.kind === 'finished') {
      entry.finish = event.finish
      continue
    }
    entry.tokens.push(event.token)
    entry.logProbs.push(event.logProb)
  }
  const entries = [...byKey.values()]
  const messages: Sequences[] = []
  for (let from = 0; from < entries.length; from += SEQUENCES_PER_MESSAGE) messages.push(entries.slice(from, from + SEQUENCES_PER_MESSAGE))
  return messages
}
