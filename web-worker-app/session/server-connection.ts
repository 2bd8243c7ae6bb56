import { io, type Socket } from 'socket.io-client'
import type { Handshake } from '#shared/protocol/handshake.ts'
import { refusal, type Refusal } from '#shared/protocol/refusal.ts'
import { decode, describeMalformed, v } from '#shared/protocol/schema.ts'
import type { STAGE_HEARS } from '#shared/protocol/stage-messages.ts'
import { joinAnswer, originGrant, submissionAnswer, VOLUNTEER_ASKS, VOLUNTEER_HEARS, VOLUNTEER_TELLS } from '#shared/protocol/volunteer-messages.ts'
import type { Connection } from './session-store.ts'

type Heard = typeof VOLUNTEER_HEARS
type Told = typeof VOLUNTEER_TELLS
type Asked = typeof VOLUNTEER_ASKS

const ANSWERS = { join: joinAnswer, rollouts_submitted: submissionAnswer, origin_wanted: originGrant } as const

/** A submission is answered when the trainer has recomputed it; the server gives that two minutes. */
const ANSWER_TIMEOUT_MS = { join: 30_000, rollouts_submitted: 150_000, origin_wanted: 3_000 } as const
const RECONNECTION_DELAY_MS = 1000
const RECONNECTION_DELAY_MAX_MS = 10_000
/** A server that refuses pages has enough to do. */
const REFUSED_DELAY_MS = 5000

type Hearer<Event extends keyof Heard> = (message: v.InferOutput<Heard[Event]>) => void
/** Not for every page: coverage is for those that watch, a challenge and ICE servers for those that join, what stages hear for those that hold layers. */
type ForSome = 'layer_coverage' | 'challenge' | 'ice_servers' | keyof typeof STAGE_HEARS

export type ServerListener = {
  /** Said again after every attempt that failed. */
  readonly connection: (connection: Exclude<Connection, 'connecting'>) => void
} & { readonly [Event in Exclude<keyof Heard, ForSome | 'bye'>]: Hearer<Event> } & { readonly [Event in ForSome]?: Hearer<Event> }

/** The socket to the signaling server. Every message is checked against its schema, in both directions; it reconnects by itself. */
export class ServerConnection {
  readonly #socket: Socket
  /** The last fault named of each event: a server that repeats one every second fills no console. */
  readonly #named = new Map<keyof Heard, string>()

  constructor(auth: Handshake, listener: ServerListener) {
    this.#socket = io({ auth, autoConnect: false, transports: ['websocket'], reconnectionDelayMax: RECONNECTION_DELAY_MAX_MS })
    this.#socket.on('connect', () => listener.connection('online'))
    this.#socket.on('disconnect', reason => {
      listener.connection('offline')
      // What the server ends itself, the client library takes for final; a server that restarts ends everything.
      if (reason === 'io server disconnect') this.#connectAgain(RECONNECTION_DELAY_MS)
    })
    this.#socket.on('connect_error', (error: Error & { readonly data?: unknown }) => {
      // While the socket is active, the library found nobody and tries again by itself. A refusal it takes for final.
      if (this.#socket.active) return listener.connection('offline')
      const refused = decode(refusal, error.data)
      console.warn(`the server refused the connection: ${refused.kind === 'ok' ? (refused.value.detail ?? refused.value.code) : error.message}`)
      listener.connection('refused')
      this.#connectAgain(REFUSED_DELAY_MS)
    })
    const hearers = {
      ...listener,
      bye: ({ retryAfterMs }: v.InferOutput<Heard['bye']>) => {
        this.#socket.disconnect()
        this.#connectAgain(retryAfterMs)
      }
    }
    for (const event of Object.keys(VOLUNTEER_HEARS) as (keyof Heard)[]) this.#hear(event, hearers)
  }

  /** Once; from then on it holds the connection. */
  connect(): void {
    this.#socket.connect()
  }

  /** Not queued while the connection is down: everything that matters is said again after it is back. */
  tell<Event extends keyof Told>(event: Event, message: v.InferOutput<Told[Event]>): void {
    if (this.#socket.connected) this.#socket.emit(event, checked(event, VOLUNTEER_TELLS[event], message))
  }

  /** @returns undefined when there is no connection, no answer came in time, or none that can be understood */
  async ask<Event extends keyof Asked>(event: Event, message: v.InferOutput<Asked[Event]>): Promise<v.InferOutput<(typeof ANSWERS)[Event]> | Refusal | undefined> {
    const request = checked(event, VOLUNTEER_ASKS[event], message)
    // The library would send it on the next connection, for which it is not meant.
    if (!this.#socket.connected) return undefined
    let answer: unknown
    try {
      answer = await this.#socket.timeout(ANSWER_TIMEOUT_MS[event]).emitWithAck(event, request)
    } catch {
      return undefined
    }
    const decoded = decode(ANSWERS[event], answer)
    if (decoded.kind === 'ok') return decoded.value
    console.warn(describeMalformed(`the server's answer to ${event}`, decoded))
    return undefined
  }

  #connectAgain(afterMs: number): void {
    setTimeout(() => this.#socket.connect(), afterMs)
  }

  #hear(event: keyof Heard, hearers: { readonly [Event in keyof Heard]?: Hearer<Event> }): void {
    this.#socket.on(event, (raw: unknown) => {
      const decoded = decode(VOLUNTEER_HEARS[event], raw)
      if (decoded.kind === 'ok') (hearers[event] as ((message: unknown) => void) | undefined)?.(decoded.value)
      else this.#name(event, describeMalformed(`the server's ${event}`, decoded))
    })
  }

  #name(event: keyof Heard, fault: string): void {
    if (this.#named.get(event) === fault) return
    this.#named.set(event, fault)
    console.warn(fault)
  }
}

/** What we send is our doing: nonsense there is a bug. */
function checked(event: string, schema: v.GenericSchema, message: unknown): unknown {
  const decoded = decode(schema, message)
  if (decoded.kind === 'malformed') throw new TypeError(describeMalformed(`our ${event}`, decoded))
  return message
}
