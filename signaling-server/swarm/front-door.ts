/** The only place that knows socket.io: checks what arrives, reports it to whoever decides, carries out what that orders. */
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Logger } from 'pino'
import { Server, type Socket } from 'socket.io'
import { peerIdOf } from '#shared/dissemination/peer-identity.ts'
import { handshake, type Handshake } from '#shared/protocol/handshake.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { refuse, type Refusal } from '#shared/protocol/refusal.ts'
import { decode, describeMalformed } from '#shared/protocol/schema.ts'
import { TRAINER_ANSWERS, type PeerSubmits } from '#shared/protocol/trainer-messages.ts'
import type { JoinRequest, SubmissionAnswer } from '#shared/protocol/volunteer-messages.ts'
import type { AddressBlock } from '../address-block.ts'
import type { Readiness } from '../http/app.ts'
import type { Metrics } from '../http/metrics.ts'
import { iceServersFor, type IceOptions } from '../ice-servers.ts'
import { tally } from '../tally.ts'
import { fullBucket, takeToken, TokenBuckets, type Rate } from '../token-bucket.ts'
import { tokensMatch } from '../trainer-token.ts'
import type { AskId, Desk, Door, DoorOrder, DoorReport } from './door-messages.ts'
import { decodeEvent, isEventOf } from './received-events.ts'

export interface FrontDoorOptions {
  readonly ice: IceOptions
  readonly trainerToken: string
  /** Until a trainer's verdicts are given up, in milliseconds; tabs submit again, and submission is idempotent. */
  readonly verdictsWithinMs: number
  /** Messages of one page. */
  readonly messageRate: Rate
  /** New sockets of one address. */
  readonly socketRate: Rate
  readonly addressOf: (request: IncomingMessage) => AddressBlock | undefined
  /** Sockets at once. */
  readonly connections: number
}

/** Refused messages in excess of the rate after which a socket is closed. */
const FLOOD = 500
/** As many as a pipeline makes; from others the directory takes none. */
const UNCOUNTED_EVENTS = new Set(['sequences_generated', 'stage_fragment'])
/** Pages come back no sooner after a bye, and then one after the other: to let one join took 8 ms of CPU time in a run of a thousand (`npm run bench -- signaling`), 3 of them for its signature. */
const BYE_LEAST_MS = 1000
const BYE_SPREAD_MS = 10
/** Of the name by which a page reached this server. */
const SERVER_NAME_LENGTH = 300
type Acknowledge = (answer: unknown) => void

export interface FrontDoor extends Door {
  /**
   * Whom what is heard here is reported to from now on; undefined: nobody, and nobody new is let in. Where there was somebody else before, everybody here is sent
   * away to come back and say everything again, as after a restart: links between tabs live on.
   */
  attend(desk: Desk | undefined): void
  /** Sockets by role. */
  connections(): Map<string, number>
  readiness(): Readiness
  /** From now on nobody may join here. */
  drain(): void
  /** Says bye to everybody and closes every socket and the HTTP server below. */
  close(): Promise<void>
}

export function openFrontDoor(http: HttpServer, options: FrontDoorOptions, metrics: Metrics, log: Logger): FrontDoor {
  const newSockets = new TokenBuckets(options.socketRate)
  const io = new Server(http, {
    serveClient: false,
    maxHttpBufferSize: LIMITS.socketMessageBytes,
    connectTimeout: 10_000,
    allowRequest: (request, allow) => {
      const { headers } = request
      // WebSockets ignore CORS: a page of another site must not speak for its visitor.
      if (headers.origin !== undefined && !isSameSite(headers.origin, headers.host)) return allow(null, false)
      // Before a socket costs anything. Clients come back by themselves, later each time.
      const refused = desk === undefined ? 'no_leader' : isTooMany(request) ? 'too_many_requests' : undefined
      if (refused !== undefined) metrics.countRefusal(refused)
      allow(refused ?? null, refused === undefined)
    }
  })
  const { sockets } = io.sockets
  let desk: Desk | undefined
  let draining = false
  const asks = new Map<AskId, { readonly socket: Socket; readonly acknowledge: Acknowledge }>()
  let asked = 0

  const isTooMany = (request: IncomingMessage): boolean => {
    const address = options.addressOf(request)
    return address !== undefined && newSockets.take(address, 1, performance.now()) !== 0
  }

  io.use((socket, next) => {
    const admitted = admit(socket.handshake.auth)
    if (admitted.kind === 'refused') {
      metrics.countRefusal(admitted.code)
      next(Object.assign(new Error(admitted.code), { data: admitted }))
      return
    }
    socket.data = admitted
    next()
  })

  const isFull = (): boolean => sockets.size >= options.connections

  const admit = (auth: unknown): { readonly kind: 'admitted'; readonly handshake: Handshake } | Refusal => {
    const decoded = decode(handshake, auth)
    if (decoded.kind === 'malformed') return refuse('malformed', describeMalformed('auth', decoded))
    if (decoded.value.role === 'trainer' && !tokensMatch(decoded.value.token, options.trainerToken)) return refuse('unauthorised', 'not the trainer token of this server')
    return isFull() ? refuse('server_full') : { kind: 'admitted', handshake: decoded.value }
  }

  io.on('connection', socket => {
    const { handshake } = socket.data as { handshake: Handshake }
    const heardBy = desk
    // Let in before whoever decided was lost.
    if (heardBy === undefined) return sendAway(socket)
    const bucket = fullBucket(options.messageRate, Date.now())
    let refusedInExcess = 0
    // A trainer is listened to once more for every submission that it judges.
    if (handshake.role === 'trainer') socket.setMaxListeners(0)
    log.debug({ event: 'connected', connection: socket.id, role: handshake.role })
    const server = (socket.handshake.headers.host ?? '').slice(0, SERVER_NAME_LENGTH)
    // Nobody else needs the token.
    const shown: Handshake = handshake.role === 'trainer' ? { role: 'trainer', token: '' } : handshake
    heardBy.hear({ kind: 'connected', connection: socket.id, handshake: shown, identification: { server, challenge: randomBytes(32).toString('hex') } })
    socket.on('disconnect', reason => {
      log.debug({ event: 'disconnected', connection: socket.id, reason })
      report(heardBy, { kind: 'disconnected', connection: socket.id })
    })
    socket.onAny((event: string, ...parameters: unknown[]) => {
      const last = parameters.at(-1)
      const acknowledge = typeof last === 'function' ? (last as Acknowledge) : undefined
      if (handshake.role !== 'trainer' && !UNCOUNTED_EVENTS.has(event) && !takeToken(bucket, options.messageRate, Date.now())) {
        refuseSender(socket, acknowledge, refuse('too_many_requests', event))
        if (++refusedInExcess > FLOOD) socket.disconnect(true)
        return
      }
      metrics.messages.inc({ direction: 'received', event: isEventOf(handshake.role, event) ? event : 'unknown' })
      const decoded = decodeEvent(handshake.role, event, parameters[0])
      if (decoded.kind === 'refused') return refuseSender(socket, acknowledge, decoded)
      if (desk !== heardBy) return refuseForNow(socket, acknowledge)
      if (draining && event === 'join') return refuseSender(socket, acknowledge, refuse('draining', 'the server is about to close'))
      const { message } = decoded
      const ask = acknowledge === undefined ? null : ++asked
      if (acknowledge !== undefined) asks.set(asked, { socket, acknowledge })
      const iceServers = event === 'join' ? { iceServers: iceServersFor(options.ice, peerIdOf((message as JoinRequest).publicKey), Date.now()) } : {}
      heardBy.hear({ kind: 'said', connection: socket.id, role: handshake.role, event, message, ask, ...iceServers })
    })
  })

  /** Not what was heard by somebody who does not decide any more. */
  const report = (heardBy: Desk, told: DoorReport): void => {
    if (desk === heardBy) heardBy.hear(told)
  }

  /** What is told is said again to the next who decides. A trainer takes a refusal for final, and asks again on another connection. */
  const refuseForNow = (socket: Socket, acknowledge: Acknowledge | undefined): void => {
    if (acknowledge === undefined) return
    if ((socket.data as { handshake: Handshake }).handshake.role === 'trainer') sendAway(socket)
    else refuseSender(socket, acknowledge, refuse('no_leader', 'no server leads at the moment: ask again in a few seconds'))
  }

  /** The connection below is closed: a client library that does not know `bye` takes that for an accident, and connects again. */
  const sendAway = (socket: Socket, retryAfterMs = BYE_LEAST_MS): void => {
    socket.emit('bye', { retryAfterMs })
    socket.conn.close()
  }

  const carryOut = (order: DoorOrder): void => {
    switch (order.kind) {
      case 'tell': {
        metrics.messages.inc({ direction: 'sent', event: order.event }, order.to.length)
        if (order.event === 'stage_fragment') metrics.linkBytes.inc({ direction: 'sent', path: 'relay' }, (order.payload as { fragment: ArrayBufferView }).fragment.byteLength)
        // Feeds too are queued, not volatile: a busy moment must not lose a run's last one. Who takes nothing for a ping interval is closed.
        for (const to of order.to) sockets.get(to)?.emit(order.event, order.payload)
        return
      }
      case 'answer': {
        const pending = asks.get(order.ask)
        asks.delete(order.ask)
        if (order.answer.kind === 'refused') refuseSender(pending?.socket, pending?.acknowledge, order.answer)
        else pending?.acknowledge(order.answer)
        return
      }
      case 'refuse':
        return refuseSender(sockets.get(order.connection), undefined, order.refusal)
      case 'submit': {
        const heardBy = desk!
        void forward(sockets.get(order.to), order.request).then(answer => report(heardBy, { kind: 'verdicts', submission: order.submission, answer }))
        return
      }
      case 'renew_ice_servers':
        sockets.get(order.to)?.emit('ice_servers', { iceServers: iceServersFor(options.ice, order.peer, Date.now()) })
        return
      case 'close':
        sockets.get(order.connection)?.disconnect(true)
        return
      case 'retain_chunks':
      case 'forget_chunks':
        // The origin of this process has been told.
        return
    }
  }

  const forward = async (trainer: Socket | undefined, request: PeerSubmits): Promise<SubmissionAnswer> => {
    if (trainer === undefined) return refuse('no_trainer')
    const leaving = new AbortController()
    try {
      const left = once(trainer, 'disconnect', { signal: leaving.signal }).then((): SubmissionAnswer => refuse('no_trainer', 'the trainer left'))
      const raw: unknown = await Promise.race([trainer.timeout(options.verdictsWithinMs).emitWithAck('rollouts_submitted', request), left])
      const decoded = decode(TRAINER_ANSWERS.rollouts_submitted.answer, raw)
      if (decoded.kind === 'ok') return decoded.value
      log.error({ event: 'malformed_verdicts', detail: describeMalformed('rollouts_submitted', decoded) })
      return refuse('no_trainer', 'the trainer answered something else than verdicts')
    } catch {
      return refuse('no_trainer', 'the trainer did not answer in time')
    } finally {
      leaving.abort()
    }
  }

  const refuseSender = (socket: Socket | undefined, acknowledge: Acknowledge | undefined, refusal: Refusal): void => {
    metrics.countRefusal(refusal.code)
    const refused = { event: 'refused', connection: socket?.id, ...refusal }
    // Trainers are few, and an operator knows each of them: one who is refused is broken, or somebody else.
    if (socket?.data.handshake.role === 'trainer') log.warn({ ...refused, role: 'trainer', address: socket.handshake.address })
    else log.debug(refused)
    if (acknowledge === undefined) socket?.emit('refused', refusal)
    else acknowledge(refusal)
  }

  const returnTimes = (): (() => number) => {
    const latest = BYE_LEAST_MS + sockets.size * BYE_SPREAD_MS
    return () => randomInt(BYE_LEAST_MS, latest + 1)
  }

  return {
    carryOut,
    attend: next => {
      if (next === desk) return
      desk = next
      for (const [ask, { socket, acknowledge }] of asks) {
        asks.delete(ask)
        refuseForNow(socket, acknowledge)
      }
      if (next === undefined) return
      const returnTime = returnTimes()
      for (const socket of sockets.values()) sendAway(socket, returnTime())
    },
    connections: () => tally([...sockets.values()].map(({ data }) => (data as { handshake: Handshake }).handshake.role)),
    readiness: () => (draining ? 'draining' : desk === undefined ? 'no_leader' : isFull() ? 'full' : 'ready'),
    drain: () => {
      draining = true
    },
    close: async () => {
      // Those whose sockets close last must not hear that the others are gone: their links live.
      desk = undefined
      const returnTime = returnTimes()
      for (const socket of sockets.values()) socket.emit('bye', { retryAfterMs: returnTime() })
      await io.close()
    }
  }
}

function isSameSite(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host
}
