/** The only place that knows socket.io: checks what arrives, hands it to the directory, carries out what the directory decides. */
import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import type { Logger } from 'pino'
import { Server, type Socket } from 'socket.io'
import { stepSwarmDirectory, type DirectoryInput } from '#shared/dissemination/swarm-directory.ts'
import { createSwarmDirectory, type DirectoryEffect, type DirectoryOptions } from '#shared/dissemination/swarm-state.ts'
import { originChunks } from '#shared/dissemination/version-route.ts'
import { handshake, type Handshake } from '#shared/protocol/handshake.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import type { PublishedPolicy } from '#shared/protocol/manifest.ts'
import { refuse, type Refusal } from '#shared/protocol/refusal.ts'
import { decode, describeMalformed } from '#shared/protocol/schema.ts'
import { TRAINER_ANSWERS, TRAINER_ASKS, TRAINER_TELLS, type PeerSubmits } from '#shared/protocol/trainer-messages.ts'
import { VOLUNTEER_ASKS, VOLUNTEER_TELLS, type SubmissionAnswer } from '#shared/protocol/volunteer-messages.ts'
import type { ServingPort } from '../serving-port.ts'
import type { ChunkOrigin } from '../http/chunk-origin.ts'
import type { Metrics } from '../http/metrics.ts'
import { tokensMatch } from '../trainer-token.ts'
import { DirectoryServing } from './directory-serving.ts'
import { fullBucket, takeToken, type Rate } from './token-bucket.ts'

export interface SwarmSocketOptions extends DirectoryOptions {
  readonly trainerToken: string
  /** Until a trainer's verdicts are given up, in milliseconds; tabs submit again, and submission is idempotent. */
  readonly verdictsWithinMs: number
  /** Messages of one page. */
  readonly messageRate: Rate
}

/** Refused messages in excess of the rate after which a socket is closed. */
const FLOOD = 500
const CONNECTIONS = LIMITS.peersPerRun + 1000
/** Events whose payload may be large; all others are small. */
const LARGE_EVENTS = new Set(['run_opened', 'rollouts_submitted', 'policy_published', 'lease_granted', 'run_feed', 'sequences_generated', 'stage_fragment'])
/** As many as a pipeline makes; from others the directory takes none. */
const UNCOUNTED_EVENTS = new Set(['sequences_generated', 'stage_fragment'])
const SMALL_EVENT_BYTES = 2 * LIMITS.signalBytes
const MESSAGES = {
  observer: {},
  volunteer: { ...VOLUNTEER_ASKS, ...VOLUNTEER_TELLS },
  trainer: { ...TRAINER_ASKS, ...TRAINER_TELLS }
} as const

type Acknowledge = (answer: unknown) => void

export interface SwarmSockets {
  /** What tabs generate for people. */
  readonly serving: ServingPort
  connectionsByRole(): ReadonlyMap<string, number>
  /** Says bye to everybody and closes every socket and the HTTP server below. */
  close(): Promise<void>
}

export function openSwarmSockets(http: HttpServer, options: SwarmSocketOptions, origin: ChunkOrigin, metrics: Metrics, log: Logger): SwarmSockets {
  const directory = createSwarmDirectory(options)
  const io = new Server(http, {
    serveClient: false,
    maxHttpBufferSize: LIMITS.socketMessageBytes,
    connectTimeout: 10_000,
    // WebSockets ignore CORS: a page of another site must not speak for its visitor.
    allowRequest: ({ headers }, allow) => allow(null, headers.origin === undefined || isSameSite(headers.origin, headers.host))
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

  const admit = (auth: unknown): { readonly kind: 'admitted'; readonly handshake: Handshake } | Refusal => {
    const decoded = decode(handshake, auth)
    if (decoded.kind === 'malformed') return refuse('malformed', describeMalformed('auth', decoded))
    if (decoded.value.role === 'trainer' && !tokensMatch(decoded.value.token, options.trainerToken)) return refuse('unauthorised', 'not the trainer token of this server')
    return io.sockets.sockets.size >= CONNECTIONS ? refuse('server_full') : { kind: 'admitted', handshake: decoded.value }
  }

  io.on('connection', socket => {
    const { handshake } = socket.data as { handshake: Handshake }
    const bucket = fullBucket(options.messageRate, Date.now())
    let refusedInExcess = 0
    // A trainer is listened to once more for every submission that it judges.
    if (handshake.role === 'trainer') socket.setMaxListeners(0)
    log.debug({ event: 'connected', connection: socket.id, role: handshake.role })
    decide({ kind: 'connected', connection: socket.id, handshake }, socket)
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
      const decoded = decodeEvent(handshake.role, event, parameters[0])
      if (decoded.kind === 'refused') refuseSender(socket, acknowledge, decoded)
      else decide({ kind: event, connection: socket.id, message: decoded.message, ...missingChunks(decoded.message, event) } as DirectoryInput, socket, acknowledge)
    })
  })

  const missingChunks = (message: unknown, event: string): object =>
    event === 'policy_published' ? { missing: origin.missing(originChunks(message as PublishedPolicy)) } : {}

  let timer: NodeJS.Timeout | undefined

  const inputs: { readonly input: DirectoryInput; readonly sender: Socket | undefined; readonly acknowledge: Acknowledge | undefined }[] = []

  /** What an effect leads to waits until all effects before it are carried out. */
  const decide = (input: DirectoryInput, sender?: Socket, acknowledge?: Acknowledge): void => {
    inputs.push({ input, sender, acknowledge })
    if (inputs.length > 1) return
    for (let next = inputs[0]; next !== undefined; next = inputs[0]) {
      for (const effect of stepSwarmDirectory(directory, next.input, { now: performance.now() })) carryOut(effect, next.sender, next.acknowledge)
      inputs.shift()
    }
  }

  const serving = new DirectoryServing(directory, input => decide(input))

  const carryOut = (effect: DirectoryEffect, sender: Socket | undefined, acknowledge: Acknowledge | undefined): void => {
    switch (effect.kind) {
      case 'tell': {
        if (effect.event === 'policy_announced') metrics.announcements.inc({ supply: effect.payload.suppliers.length === 0 ? 'origin' : 'peers' })
        if (effect.event === 'signal') metrics.signals.inc()
        // Feeds too are queued, not volatile: a busy moment must not lose a run's last one. Who takes nothing for a ping interval is closed.
        io.sockets.sockets.get(effect.to)?.emit(effect.event, effect.payload)
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
      case 'sequence_event':
        serving.hear(effect.run, effect.key, effect.event)
        return
      case 'wake_at':
        clearTimeout(timer)
        timer = setTimeout(() => decide({ kind: 'wake' }), Math.max(0, effect.time - performance.now()))
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
    log.debug({ event: 'refused', connection: socket?.id, ...refusal })
    if (acknowledge === undefined) socket?.emit('refused', refusal)
    else acknowledge(refusal)
  }

  return {
    serving,
    connectionsByRole: () => {
      const roles = new Map<string, number>()
      for (const { role } of directory.connections.values()) roles.set(role, (roles.get(role) ?? 0) + 1)
      return roles
    },
    close: async () => {
      io.emit('bye', {})
      serving.close()
      await io.close()
      // The sockets that have just been closed were trainers', too.
      clearTimeout(timer)
    }
  }
}

function isSameSite(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host
}

function decodeEvent(role: Handshake['role'], event: string, payload: unknown): { readonly kind: 'decoded'; readonly message: unknown } | Refusal {
  const schema = Object.hasOwn(MESSAGES[role], event) ? MESSAGES[role][event as never] : undefined
  if (schema === undefined) return refuse('malformed', `${role}s send no event "${event.slice(0, 40)}"`)
  const bytes = LARGE_EVENTS.has(event) ? 0 : (JSON.stringify(payload)?.length ?? 0)
  if (bytes > SMALL_EVENT_BYTES) return refuse('too_large', `${event}: ${bytes} bytes, at most ${SMALL_EVENT_BYTES}`)
  const decoded = decode(schema, payload)
  return decoded.kind === 'ok' ? { kind: 'decoded', message: decoded.value } : refuse('malformed', describeMalformed(event, decoded))
}
