import { signingKeyFrom } from '#shared/crypto/signature.ts'
import { signJoin } from '#shared/dissemination/peer-identity.ts'
import { fragmentsOf } from '#shared/pipeline/frame-fragments.ts'
import type { PlaceAssigned } from '#shared/protocol/stage-messages.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { Relay } from '#web-worker-app/mesh/relay.ts'
import { ServerConnection } from '#web-worker-app/session/server-connection.ts'
import { Hearing, type Heard } from './hearing.ts'

/** Room for one of the run's two layers. */
const HALF_BYTES = 600 * 1024
const FRAME_BYTES = 16_000
/** Before the frame. */
const HEADER_BYTES = 5

/** One end of a relay that writes down what it hears: a stage of a pipeline that says of every link that it cannot be made. */
export class RecordedRelay {
  readonly #hearing = new Hearing()
  readonly #server: ServerConnection
  readonly #atUp: number
  #pipeline = 0
  #relay: Relay | undefined

  /** @param atUp is said in the moment in which the relay is up */
  constructor(run: string, atUp: number) {
    this.#atUp = atUp
    const key = signingKeyFrom(crypto.getRandomValues(new Uint8Array(32)))
    this.#server = new ServerConnection({ role: 'volunteer' }, {
      connection: () => undefined,
      challenge: ({ challenge }) => {
        const terms = { protocol: PROTOCOL_VERSION, server: location.host, challenge, run }
        void this.#server.ask('join', { protocol: PROTOCOL_VERSION, run, publicKey: key.publicKey, signature: signJoin(terms, key), memory: { memoryBytes: HALF_BYTES, largestTensorBytes: HALF_BYTES } })
      },
      run_described: () => undefined,
      run_feed: () => undefined,
      policy_announced: () => undefined,
      lease_granted: () => undefined,
      introduction: () => undefined,
      peer_gone: () => undefined,
      signal: () => undefined,
      refused: ({ code, detail }) => console.error(`refused: ${detail ?? code}`),
      slice_assigned: ({ layers }) => {
        if (layers !== null) this.#server.tell('slice_ready', { layers, engine: 'wasm', rows: 8 })
      },
      place_assigned: place => this.#takePlace(place),
      place_revoked: () => this.#relay?.ended(),
      stage_fragment: ({ fragment }) => this.#relay?.heard(new Uint8Array(fragment))
    })
    this.#server.connect()
  }

  sayAll(of: number): void {
    const frame = new Uint8Array(FRAME_BYTES)
    new DataView(frame.buffer).setUint32(0, of)
    for (const fragment of fragmentsOf(this.#pipeline, frame)) this.#relay?.sendStageFragment(fragment)
  }

  /** @throws {RangeError} as the relay does */
  sendStageBytes(bytes: number): void {
    this.#relay?.sendStageFragment(new Uint8Array(bytes))
  }

  close(): void {
    this.#relay?.close()
  }

  hears(kind: Heard['kind'], count: number): Promise<Heard[]> {
    return this.#hearing.hears(kind, count)
  }

  /** Of one relay only: the server gives both ends other places after it. */
  #takePlace({ pipeline, next }: PlaceAssigned): void {
    if (next === null) return
    if (next.path === 'link') return this.#server.tell('link_lost', { peer: next.peer })
    if (this.#relay !== undefined) return this.#relay.ended()
    this.#pipeline = pipeline
    this.#relay = new Relay(
      pipeline,
      { passOn: (pipeline, fragment) => this.#server.tell('stage_fragment', { pipeline, fragment }), breakPipeline: (pipeline, reason) => this.#server.tell('pipeline_broken', { pipeline, reason }) },
      {
        up: () => {
          this.#hearing.note('up')
          for (let of = 0; of < this.#atUp; of++) this.sayAll(of)
        },
        down: () => this.#hearing.note('down'),
        stageFragment: fragment => this.#hearing.note('fragment', new DataView(fragment.buffer).getUint32(HEADER_BYTES))
      }
    )
    this.#relay.start()
    this.#server.tell('place_taken', { pipeline })
  }
}
