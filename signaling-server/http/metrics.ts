import { Counter, Gauge, Registry } from 'prom-client'
import type { RefusalCode } from '#shared/protocol/refusal.ts'
import type { ChunkOrigin } from './chunk-origin.ts'

/** Prometheus metrics of one server. No label ever carries a peer or an address. */
export function createMetrics(origin: ChunkOrigin, connections: () => ReadonlyMap<string, number>) {
  const registry = new Registry()
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> => new Counter({ name, help, labelNames, registers: [registry] })
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[], collect: (gauge: Gauge<Label>) => void): void => {
    const created: Gauge<Label> = new Gauge({ name, help, labelNames, registers: [], collect: () => collect(created) })
    registry.registerMetric(created)
  }

  gauge('swarm_connections', 'Open sockets by role', ['role'], created => {
    created.reset()
    for (const [role, count] of connections()) created.set({ role }, count)
  })
  gauge('swarm_origin_chunks', 'Chunks that the origin keeps', [], created => created.set(origin.size))
  gauge('swarm_origin_stored_bytes', 'Bytes of the chunks that the origin keeps', [], created => created.set(origin.bytes))
  const metrics = {
    originSentBytes: counter('swarm_origin_sent_bytes_total', 'Chunk bytes sent to tabs', []),
    originReceivedBytes: counter('swarm_origin_received_bytes_total', 'Chunk bytes received from trainers', []),
    announcements: counter('swarm_policy_announcements_total', 'Announcements of policy versions to tabs', []),
    signals: counter('swarm_signals_total', 'simple-peer signals passed on', []),
    apiRequests: counter('swarm_api_requests_total', 'Requests to the OpenAI-compatible API', ['endpoint', 'status']),
    apiTokens: counter('swarm_api_tokens_total', 'Tokens generated for the OpenAI-compatible API', []),
    submissions: counter('swarm_rollout_submissions_total', 'Rollout submissions by what became of them', ['outcome']),
    refusals: counter<'code'>('swarm_refusals_total', 'Refused requests and messages by code', ['code'])
  }
  return {
    ...metrics,
    countRefusal: (code: RefusalCode): void => metrics.refusals.inc({ code }),
    exposition: (): Promise<string> => registry.metrics(),
    contentType: registry.contentType
  }
}
export type Metrics = ReturnType<typeof createMetrics>
