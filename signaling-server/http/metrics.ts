import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { RefusalCode } from '#shared/protocol/refusal.ts'
import { CLUSTER_ROLES, type ClusterStatus } from '../cluster/cluster-status.ts'
import type { ChunkOrigin } from './chunk-origin.ts'

/** Who is here, counted when it is asked for. */
export interface SwarmCounts {
  readonly connections: ReadonlyMap<string, number>
  /** By what they last said of themselves; `unknown` before they did. */
  readonly peers: ReadonlyMap<string, number>
}

/** From a message that is passed on between two idle sockets to an event loop that is far behind, in seconds. */
const DELIVERY_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

/** Prometheus metrics of one server. No label ever carries a peer or an address, and every label has a closed set of values. */
export function createMetrics(origin: ChunkOrigin, counts: () => SwarmCounts, cluster?: () => ClusterStatus) {
  const registry = new Registry()
  // Of the process: memory, CPU, open files, event loop lag, garbage collection.
  collectDefaultMetrics({ register: registry })
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> => new Counter({ name, help, labelNames, registers: [registry] })
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[], collect: (gauge: Gauge<Label>) => void): void => {
    const created: Gauge<Label> = new Gauge({ name, help, labelNames, registers: [], collect: () => collect(created) })
    registry.registerMetric(created)
  }

  gauge('swarm_connection_count', 'Open sockets by role', ['role'], created => {
    created.reset()
    for (const [role, count] of counts().connections) created.set({ role }, count)
  })
  gauge('swarm_peer_count', 'Peers in runs by what they last said of themselves', ['state'], created => {
    created.reset()
    for (const [state, count] of counts().peers) created.set({ state }, count)
  })
  gauge('swarm_origin_chunk_count', 'Chunks that the origin keeps', [], created => created.set(origin.size))
  gauge('swarm_origin_stored_bytes', 'Bytes of the chunks that the origin keeps', [], created => created.set(origin.bytes))
  if (cluster !== undefined) {
    gauge('swarm_server_role', 'What this server is among those that share the swarm: 1 for its role', ['role'], created => {
      for (const role of CLUSTER_ROLES) created.set({ role }, Number(cluster().role === role))
    })
    gauge('swarm_redis_reachable', '1 while Redis answers', [], created => created.set(Number(cluster().redis === 'reachable')))
  }
  const signalDelivery = new Histogram({
    name: 'swarm_signal_delivery_seconds',
    help: 'From the receipt of a signal until it is written to the socket of the other peer; what it waits before is event loop lag',
    buckets: DELIVERY_BUCKETS,
    registers: [registry]
  })
  const metrics = {
    messages: counter('swarm_messages_total', 'Messages on sockets by event', ['direction', 'event']),
    linkBytes: counter('swarm_link_io_bytes_total', 'Bytes by way: chunks from and to the origin, hidden states that are relayed', ['direction', 'path']),
    apiRequests: counter('swarm_api_requests_total', 'Requests to the OpenAI-compatible API', ['endpoint', 'status']),
    apiTokens: counter('swarm_api_tokens_total', 'Tokens generated for the OpenAI-compatible API', []),
    submissions: counter('swarm_rollout_submissions_total', 'Rollout submissions by what became of them', ['outcome']),
    refusals: counter<'code'>('swarm_refusals_total', 'Refused requests and messages by code', ['code'])
  }
  return {
    ...metrics,
    signalDelivery,
    countRefusal: (code: RefusalCode): void => metrics.refusals.inc({ code }),
    exposition: (): Promise<string> => registry.metrics(),
    contentType: registry.contentType
  }
}
export type Metrics = ReturnType<typeof createMetrics>
