import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { pino, type Logger } from 'pino'
import { ORIGIN_RESPONSES } from '#shared/dissemination/origin-grants.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { Cluster, type ClusterOptions } from './cluster/cluster.ts'
import { createApp } from './http/app.ts'
import { ChunkOrigin } from './http/chunk-origin.ts'
import { LeaderHttp } from './http/leader-http.ts'
import { createMetrics, type SwarmCounts } from './http/metrics.ts'
import { OriginUplink } from './http/origin-uplink.ts'
import { addressBlockOf, type AddressBlock } from './address-block.ts'
import { NO_ICE_SERVERS, TURN_CREDENTIAL_MS, type IceOptions } from './ice-servers.ts'
import type { ServingPort } from './serving-port.ts'
import { DirectoryHost } from './swarm/directory-host.ts'
import { openFrontDoor } from './swarm/front-door.ts'
import type { Rate } from './token-bucket.ts'

export interface SignalingServerOptions {
  /** 0: any free port. */
  readonly port: number
  readonly host: string
  /** Directories of the built page and of the models. */
  readonly page: string
  readonly models: string
  readonly trainerToken: string
  /** Secrets of those who may use the OpenAI-compatible API; none: only programs of this machine may. */
  readonly apiKeys?: readonly string[]
  /** Who generates for that API; the tabs of the swarm unless a test says otherwise. */
  readonly serving?: ServingPort
  /** STUN and TURN servers that tabs shall use; none unless said. */
  readonly ice?: IceOptions
  readonly originBytesPerRun?: number
  /** Default: twelve hours, so that the dashboard still shows in the morning what a run of the night came to. */
  readonly forgetRunsAfterMs?: number
  readonly verdictsWithinMs?: number
  /** Sockets at once. Default: as many as a run may have peers, and some that watch. */
  readonly connections?: number
  readonly messageRate?: Rate
  /** New sockets of one address. */
  readonly socketRate?: Rate
  /** Bytes of chunks for one address. */
  readonly originRate?: Rate
  /** Chunks that are sent at the same time, of however many are asked for; the others wait for their turn. Default: four. */
  readonly originResponses?: number
  /** Reverse proxies in front of this server. */
  readonly proxies?: number
  /** How long answers for people may take after `close`, in milliseconds. */
  readonly drainMs?: number
  /** The clock by which tabs are late and runs forgotten, in milliseconds; one that stands still makes nobody late. */
  readonly now?: () => number
  /** Shares the swarm with other servers; alone unless said. */
  readonly cluster?: ClusterOptions
  readonly log?: Logger
}

export interface SignalingServer {
  /** e.g. http://127.0.0.1:8080, without a slash at the end. */
  readonly url: string
  readonly port: number
  /**
   * Lets nobody join any more and what is being generated for people end, for at most `drainMs`. Then says bye to every socket, lets
   * running requests end within `CLOSING_GRACE_MS`, and frees the port.
   */
  close(): Promise<void>
}

/** Most answers end by then; supervisors kill after ten seconds or more. */
const DRAIN_MS = 5_000
/**
 * After this, connections are cut: browsers open some ahead of need and say nothing on them, which would keep a closing
 * server waiting for a request that never comes.
 */
export const CLOSING_GRACE_MS = 2_000
/**
 * A client that asks again on a connection in the moment in which the server closes it is told of a broken connection.
 * Node's five seconds make that likely on a busy machine.
 */
const IDLE_CONNECTION_MS = 65_000

/**
 * @throws the listen error, with its `code` (e.g. EADDRINUSE), when the port cannot be had
 * @throws {ClusterFault} when Redis cannot be used
 */
export async function startSignalingServer(options: SignalingServerOptions): Promise<SignalingServer> {
  const log = options.log ?? pino({ level: 'silent' })
  const origin = new ChunkOrigin()
  const ice = options.ice ?? NO_ICE_SERVERS
  const leader = options.cluster === undefined ? undefined : new LeaderHttp(() => cluster!.place(), options.trainerToken)
  const addressOf = (request: IncomingMessage): AddressBlock | undefined =>
    leader?.isServer(request) === true ? undefined : addressBlockOf(request.socket.remoteAddress, request.headers['x-forwarded-for']?.toString(), options.proxies ?? 0)
  const uplink = new OriginUplink({ rate: options.originRate ?? { perSecond: 32 * 2 ** 20, burst: 1024 * 2 ** 20 }, responses: options.originResponses ?? ORIGIN_RESPONSES, addressOf })
  const host = (): DirectoryHost | undefined => alone ?? cluster?.host
  const counts = (): SwarmCounts => ({ connections: door.connections(), peers: host()?.peers() ?? new Map() })
  const metrics = createMetrics(origin, counts, leader && (() => cluster!.status()))
  const openHost = (mayDecide: () => boolean): DirectoryHost =>
    new DirectoryHost(
      {
        originBytesPerRun: options.originBytesPerRun ?? LIMITS.originBytesPerRun,
        forgetRunsAfterMs: options.forgetRunsAfterMs ?? 12 * 3_600_000,
        renewIceServersAfterMs: ice.turn.length === 0 ? undefined : TURN_CREDENTIAL_MS / 2
      },
      { origin, metrics, log, mayDecide, now: options.now ?? (() => performance.now()) }
    )
  // The app first: socket.io takes its own requests before it passes the others on to whoever listened already.
  const serving: ServingPort = options.serving ?? {
    runs: () => host()?.serving.runs() ?? [],
    open: (sequence, listener) => {
      const present = host()
      if (present !== undefined) return present.serving.open(sequence, listener)
      listener.refused({ code: 'unknown_version', missing: [] })
      return { close: () => {} }
    }
  }
  const shared = leader && { cluster: { leader, status: () => cluster!.status() } }
  const { page, models, trainerToken, apiKeys = [] } = options
  const http = createServer({ keepAliveTimeout: IDLE_CONNECTION_MS }, createApp({ page, models, trainerToken, apiKeys, serving, ...shared }, () => door.readiness(), uplink, origin, metrics, log))
  const door = openFrontDoor(
    http,
    {
      trainerToken,
      ice,
      verdictsWithinMs: options.verdictsWithinMs ?? 120_000,
      connections: options.connections ?? LIMITS.peersPerRun + 1000,
      socketRate: options.socketRate ?? { perSecond: 10, burst: 200 },
      addressOf,
      messageRate: options.messageRate ?? { perSecond: 50, burst: 400 }
    },
    metrics,
    log
  )
  const alone = options.cluster === undefined ? openHost(() => true) : undefined
  if (alone !== undefined) door.attend(alone.openDoor(door))
  const cluster: Cluster | undefined = options.cluster && new Cluster(options.cluster, trainerToken, { door, origin, openHost, log })
  const connections = new Set<Socket>()
  http.on('connection', connection => {
    connections.add(connection)
    connection.once('close', () => connections.delete(connection))
  })
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(options.port, options.host, resolve)
  })
  const { port } = http.address() as AddressInfo
  const url = `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`
  try {
    await cluster?.open(options.cluster?.advertise ?? url)
  } catch (error) {
    http.close()
    throw error
  }
  let closed: Promise<void> | undefined
  const close = async (): Promise<void> => {
    const drained = new AbortController()
    door.drain()
    await Promise.race([host()?.drain(), wait(options.drainMs ?? DRAIN_MS, undefined, { signal: drained.signal })])
    drained.abort()
    const cut = setTimeout(() => {
      for (const connection of connections) connection.destroy()
    }, CLOSING_GRACE_MS)
    alone?.close()
    await cluster?.close()
    await door.close()
    clearTimeout(cut)
  }
  return { url, port, close: () => (closed ??= close()) }
}
