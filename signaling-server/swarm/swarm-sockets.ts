/** The only place that knows socket.io: checks what arrives, hands it to the directory, carries out what the directory decides. */
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import type { Logger } from 'pino'
import { Server, type Socket } from 'socket.io'
import { peerIdOf } from '#shared/dissemination/peer-identity.ts'
import { stepSwarmDirectory, type DirectoryInput } from '#shared/dissemination/swarm-directory.ts'
import { createSwarmDirectory, type DirectoryEffect, type DirectoryOptions } from '#shared/dissemination/swarm-state.ts'
import { originChunks } from '#shared/dissemination/version-route.ts'
import { handshake, type Handshake } from '#shared/protocol/handshake.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import type { PublishedPolicy } from '#shared/protocol/manifest.ts'
import { refuse, type Refusal } from '#shared/protocol/refusal.ts'
import { decode, describeMalformed } from '#shared/protocol/schema.ts'
import { TRAINER_ANSWERS, type PeerSubmits } from '#shared/protocol/trainer-messages.ts'
import type { JoinRequest, SubmissionAnswer } from '#shared/protocol/volunteer-messages.ts'
import type { AddressBlock } from '../address-block.ts'
import type { Readiness } from '../http/app.ts'
import type { ChunkOrigin } from '../http/chunk-origin.ts'
import type { Metrics, SwarmCounts } from '../http/metrics.ts'
import { iceServersFor, TURN_CREDENTIAL_MS, type IceOptions } from '../ice-servers.ts'
import type { ServingPort } from '../serving-port.ts'
import { fullBucket, takeToken, TokenBuckets, type Rate } from '../token-bucket.ts'
import { tokensMatch } from '../trainer-token.ts'
import { DirectoryServing } from './directory-serving.ts'
import { decodeEvent, isEventOf } from './received-events.ts'

export interface SwarmSocketOptions extends Omit<DirectoryOptions, 'renewIceServersAfterMs'> {
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
  /** The clock by which the directory decides, in milliseconds: who is late, whose time is over. */
  readonly now: () => number
}

/** Refused messages in excess of the rate after which a socket is closed. */
const FLOOD = 500
/** As many as a pipeline makes; from others the directory takes none. */
const UNCOUNTED_EVENTS = new Set(['sequences_generated', 'stage_fragment'])
/** Pages come back no sooner after a bye, and then one after the other: to let one join took 8 ms of CPU time in a run of a thousand (`npm run bench -- signaling`), 3 of them for its signature. */
const BYE_LEAST_MS = 1000
const BYE_SPREAD_MS = 10
type Acknowledge = (answer: unknown) => void

interface Received {
  readonly input: DirectoryInput
  readonly sender: Socket | undefined
  readonly acknowledge: Acknowledge | undefined
  /** In milliseconds. */
  readonly receivedAt: number
}

export interface SwarmSockets {
  /** What tabs generate for people. */
  readonly serving: ServingPort
  counts(): SwarmCounts
  readiness(): Readiness
  /** From now on nobody may join, and nothing new is generated for people. @returns once what was begun for them has ended */
  drain(): Promise<void>
  /** Says bye to everybody and closes every socket and the HTTP server below. */
  close(): Promise<void>
}

export function openSwarmSockets(http: HttpServer, options: SwarmSocketOptions, origin: ChunkOrigin, metrics: Metrics, log: Logger): SwarmSockets {
  const directory = createSwarmDirectory({ ...options, renewIceServersAfterMs: options.ice.turn.length === 0 ? undefined : TURN_CREDENTIAL_MS / 2 })
  const sockets = new TokenBuckets(options.socketRate)
  const io = new Server(http, {
    serveClient: false,
    maxHttpBufferSize: LIMITS.socketMessageBytes,
    connectTimeout: 10_000,
    allowRequest: (request, allow) => {
      const { headers } = request
      // WebSockets ignore CORS: a page of another site must not speak for its visitor.
      if (headers.origin !== undefined && !isSameSite(headers.origin, headers.host)) return allow(null, false)
      const address = options.addressOf(request)
      const isAllowed = address === undefined || sockets.take(address, 1, performance.now()) === 0
      // Before a socket costs anything. Clients come back by themselves, later each time.
      if (!isAllowed) metrics.countRefusal('too_many_requests')
      allow(isAllowed ? null : 'too_many_requests', isAllowed)
    }
  })

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

  const isFull = (): boolean => io.sockets.sockets.size >= options.connections

  const admit = (auth: unknown): { readonly kind: 'admitted'; readonly handshake: Handshake } | Refusal => {
    const decoded = decode(handshake, auth)
    if (decoded.kind === 'malformed') return refuse('malformed', describeMalformed('auth', decoded))
    if (decoded.value.role === 'trainer' && !tokensMatch(decoded.value.token, options.trainerToken)) return refuse('unauthorised', 'not the trainer token of this server')
    return isFull() ? refuse('server_full') : { kind: 'admitted', handshake: decoded.value }
  }

  io.on('connection', socket => {
    const { handshake } = socket.data as { handshake: Handshake }
    const bucket = fullBucket(options.messageRate, Date.now())
    let refusedInExcess = 0
    // A trainer is listened to once more for every submission that it judges.
    if (handshake.role === 'trainer') socket.setMaxListeners(0)
    log.debug({ event: 'connected', connection: socket.id, role: handshake.role })
    decide({ kind: 'connected', connection: socket.id, handshake, identification: { server: socket.handshake.headers.host ?? '', challenge: randomBytes(32).toString('hex') } }, socket)
    socket.on('disconnect', reason => {
      log.debug({ event: 'disconnected', connection: socket.id, reason })
      decide({ kind: 'disconnected', connection: socket.id }, socket)
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
      if (decoded.kind === 'refused') refuseSender(socket, acknowledge, decoded)
      else decide({ kind: event, connection: socket.id, message: decoded.message, ...knownHere(event, decoded.message) } as DirectoryInput, socket, acknowledge)
    })
  })

  /** What the directory has to know besides the message. */
  const knownHere = (event: string, message: unknown): object => {
    if (event === 'policy_published') return { missing: origin.missing(originChunks(message as PublishedPolicy)) }
    if (event === 'join') return { iceServers: iceServersFor(options.ice, peerIdOf((message as JoinRequest).publicKey), Date.now()) }
    return {}
  }

  let timer: NodeJS.Timeout | undefined

  const inputs: Received[] = []
  let closed = false

  /** What an effect leads to waits until all effects before it are carried out. */
  const decide = (input: DirectoryInput, sender?: Socket, acknowledge?: Acknowledge): void => {
    // Those whose sockets close last must not hear that the others are gone: their links live.
    if (closed) return
    inputs.push({ input, sender, acknowledge, receivedAt: performance.now() })
    if (inputs.length > 1) return
    for (let next = inputs[0]; next !== undefined; next = inputs[0]) {
      for (const effect of stepSwarmDirectory(directory, next.input, { now: options.now() })) carryOut(effect, next)
      inputs.shift()
    }
  }

  const serving = new DirectoryServing(directory, input => decide(input))

  const carryOut = (effect: DirectoryEffect, { sender, acknowledge, receivedAt }: Received): void => {
    switch (effect.kind) {
      case 'tell': {
        metrics.messages.inc({ direction: 'sent', event: effect.event })
        if (effect.event === 'stage_fragment') metrics.linkBytes.inc({ direction: 'sent', path: 'relay' }, effect.payload.fragment.byteLength)
        // Feeds too are queued, not volatile: a busy moment must not lose a run's last one. Who takes nothing for a ping interval is closed.
        io.sockets.sockets.get(effect.to)?.emit(effect.event, effect.payload)
        if (effect.event === 'signal') metrics.signalDelivery.observe((performance.now() - receivedAt) / 1000)
        return
      }
      case 'answer':
        if (effect.answer.kind === 'refused') refuseSender(sender, acknowledge, effect.answer)
        else acknowledge?.(effect.answer)
        return
      case 'refuse':
        refuseSender(sender, acknowledge, effect.refusal)
        return
      case 'forward_submission':
        void forward(io.sockets.sockets.get(effect.to), effect.request).then(answer => {
          metrics.submissions.inc({ outcome: answer.kind === 'refused' ? answer.code : 'answered' })
          if (answer.kind === 'refused') refuseSender(sender, acknowledge, answer)
          else acknowledge?.(answer)
        })
        return
      case 'expect_chunks':
        origin.expect(effect.run, effect.chunks)
        return
      case 'retain_chunks':
        origin.retain(effect.run, effect.chunks)
        return
      case 'forget_chunks':
        log.info({ event: 'run_forgotten', run: effect.run })
        origin.forget(effect.run)
        serving.forget(effect.run)
        return
      case 'renew_ice_servers':
        io.sockets.sockets.get(effect.to)?.emit('ice_servers', { iceServers: iceServersFor(options.ice, effect.peer, Date.now()) })
        return
      case 'sequence_event':
        serving.hear(effect.run, effect.key, effect.event)
        return
      case 'wake_at':
        clearTimeout(timer)
        timer = setTimeout(() => decide({ kind: 'wake' }), Math.max(0, effect.time - options.now()))
        return
      case 'close':
        io.sockets.sockets.get(effect.connection)?.disconnect(true)
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

  return {
    serving,
    counts: () => ({
      connections: tally([...directory.connections.values()].map(({ role }) => role)),
      peers: tally([...directory.runs.values()].flatMap(run => [...run.peers.values()].map(({ status }) => status?.state ?? 'unknown')))
    }),
    readiness: () => (directory.draining ? 'draining' : isFull() ? 'full' : 'ready'),
    drain: () => {
      decide({ kind: 'drain' })
      return serving.drain()
    },
    close: async () => {
      serving.close()
      const returning = BYE_LEAST_MS + io.sockets.sockets.size * BYE_SPREAD_MS
      for (const socket of io.sockets.sockets.values()) socket.emit('bye', { retryAfterMs: randomInt(BYE_LEAST_MS, returning + 1) })
      closed = true
      clearTimeout(timer)
      await io.close()
    }
  }
}

function tally(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

function isSameSite(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host
}
