/** The trainer's line to the signaling server. The server keeps no truth: after every reconnection the host says everything again. */
import { setTimeout as wait } from 'node:timers/promises'
import { io, type Socket } from 'socket.io-client'
import type { PeerStatus } from '#shared/protocol/peer-status.ts'
import { refuse, refusal, type Refusal } from '#shared/protocol/refusal.ts'
import { decode, describeMalformed, v } from '#shared/protocol/schema.ts'
import {
  policyPublishedAnswer,
  runOpenedAnswer,
  TRAINER_ANSWERS,
  TRAINER_HEARS,
  type LeaseGrant,
  type PeerSubmits,
  type PolicyPublished,
  type PolicyPublishedAnswer,
  type RunOpened
} from '#shared/protocol/trainer-messages.ts'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import type { SubmissionAnswer } from '#shared/protocol/volunteer-messages.ts'
import { UserError } from '../user-error.ts'

/** A question that is not answered by then was lost with the connection. */
const ANSWER_WITHIN_MS = 30_000
const CLOSE_WITHIN_MS = 2_000
const RECONNECTION = { reconnectionDelay: 200, reconnectionDelayMax: 2_000 }

export interface ServerListener {
  /** Also after every reconnection. */
  connected(): void
  disconnected(): void
  peerJoined(peer: string): void
  peerLeft(peer: string): void
  workWanted(wish: { readonly peer: string; readonly version: number; readonly rollouts: number }): void
  peerStatus(peer: string, status: PeerStatus): void
  /** Something that was told, not asked, was refused. */
  refused(refusal: Refusal): void
  submitted(request: PeerSubmits): Promise<SubmissionAnswer>
  /** Told once, before the first connection: later ones come back by themselves. */
  unreachable(reason: string): void
  /** The server does not want this trainer; nothing will get better by waiting. */
  failed(error: UserError): void
}

/** The question was not answered because the connection broke; it is asked again once connected. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

export class ServerConnection {
  readonly #socket: Socket

  constructor(url: string, token: string, listener: ServerListener) {
    this.#socket = io(url, { transports: ['websocket'], auth: { role: 'trainer', token }, ...RECONNECTION })
    let told = false
    this.#socket.on('connect', () => {
      told = true
      listener.connected()
    })
    this.#socket.on('disconnect', () => listener.disconnected())
    this.#socket.on('connect_error', error => {
      const decoded = decode(refusal, (error as { data?: unknown }).data)
      if (decoded.kind === 'ok') listener.failed(new UserError(`${url}: the signaling server refused this trainer (${decoded.value.code}: ${decoded.value.detail ?? ''}); check the trainer token`))
      else if (!told) listener.unreachable(error.message)
      told = true
    })
    const hears = {
      peer_joined: message => listener.peerJoined(message.peer),
      peer_left: message => listener.peerLeft(message.peer),
      work_wanted: message => listener.workWanted(message),
      peer_status: message => listener.peerStatus(message.peer, message.status),
      refused: message => listener.refused(message),
      bye: () => undefined
    } satisfies { [Event in keyof typeof TRAINER_HEARS]: (message: v.InferOutput<(typeof TRAINER_HEARS)[Event]>) => void }
    for (const [event, handle] of Object.entries(hears)) this.#hear(event as keyof typeof TRAINER_HEARS, handle as (message: unknown) => void)
    this.#socket.on('rollouts_submitted', (raw: unknown, acknowledge: (answer: SubmissionAnswer) => void) => {
      const decoded = decode(TRAINER_ANSWERS.rollouts_submitted.request, raw)
      if (decoded.kind === 'malformed') acknowledge(refuse('malformed', describeMalformed('rollouts_submitted', decoded)))
      else void listener.submitted(decoded.value).then(acknowledge)
    })
  }

  get isConnected(): boolean {
    return this.#socket.connected
  }

  async openRun(opened: RunOpened): Promise<v.InferOutput<typeof runOpenedAnswer>> {
    return this.#ask('run_opened', opened, runOpenedAnswer)
  }

  async publish(published: PolicyPublished): Promise<PolicyPublishedAnswer> {
    return this.#ask('policy_published', published, policyPublishedAnswer)
  }

  grant(grant: LeaseGrant): void {
    this.#socket.emit('lease_granted', grant)
  }

  /** A feed that cannot be sent now is superseded by the next. */
  showFeed(run: string, feed: RunFeed): void {
    this.#socket.volatile.emit('run_feed', { run, feed })
  }

  /** This one is not superseded. */
  showLastFeed(run: string, feed: RunFeed): void {
    this.#socket.emit('run_feed', { run, feed })
  }

  /** Sends what is under way, then closes. */
  async close(): Promise<void> {
    const engine = this.#socket.io.engine
    if (!this.#socket.connected) {
      this.#socket.disconnect()
      return
    }
    const closed = new Promise<void>(resolve => engine.once('close', () => resolve()))
    this.#socket.disconnect()
    await Promise.race([closed, wait(CLOSE_WITHIN_MS)])
  }

  #hear(event: keyof typeof TRAINER_HEARS, handle: (message: unknown) => void): void {
    this.#socket.on(event, (raw: unknown) => {
      const decoded = decode(TRAINER_HEARS[event], raw)
      if (decoded.kind === 'malformed') throw new Error(`the signaling server sent a malformed message: ${describeMalformed(event, decoded)}`)
      handle(decoded.value)
    })
  }

  async #ask<const Schema extends v.GenericSchema>(event: string, payload: unknown, schema: Schema): Promise<v.InferOutput<Schema>> {
    let raw: unknown
    try {
      raw = await this.#socket.timeout(ANSWER_WITHIN_MS).emitWithAck(event, payload)
    } catch (error) {
      throw new ConnectionLost(`${event} was not answered`, { cause: error })
    }
    const decoded = decode(schema, raw)
    if (decoded.kind === 'malformed') throw new Error(`the signaling server gave a malformed answer: ${describeMalformed(event, decoded)}`)
    return decoded.value
  }
}
