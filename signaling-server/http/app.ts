import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import express, { type ErrorRequestHandler, type Express } from 'express'
import type { Logger } from 'pino'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import type { ServingPort } from '../serving-port.ts'
import type { ClusterStatus } from '../cluster/cluster-status.ts'
import type { ChunkOrigin } from './chunk-origin.ts'
import { chunkRoutes } from './chunk-routes.ts'
import type { LeaderHttp } from './leader-http.ts'
import type { Metrics } from './metrics.ts'
import { openAiRoutes } from './openai/openai-routes.ts'
import type { OriginUplink } from './origin-uplink.ts'
import { respondRefused } from './refusal-response.ts'
import { securityHeaders } from './security-headers.ts'

export interface AppOptions {
  /** Directory of the built page. */
  readonly page: string
  /** Directory of models, each in its own. */
  readonly models: string
  readonly trainerToken: string
  /** Secrets of those who may use the OpenAI-compatible API; none: only programs of this machine may. */
  readonly apiKeys?: readonly string[]
  /** Who generates for that API. */
  readonly serving?: ServingPort
  /** Where several servers share a swarm. */
  readonly cluster?: { readonly leader: LeaderHttp; readonly status: () => ClusterStatus }
}

const PAGE_ROUTES = ['/', '/dashboard', '/playground']

/** Whether more tabs should be sent here. */
export type Readiness = 'ready' | 'full' | 'draining' | 'no_leader'

export function createApp(options: AppOptions, readiness: () => Readiness, uplink: OriginUplink, origin: ChunkOrigin, metrics: Metrics, log: Logger): Express {
  const app = express()
  app.disable('x-powered-by')
  app.use(securityHeaders)
  // Answered as long as anything is: a server that does not answer should be started again.
  app.get('/health', (_request, response) => void response.json({ status: 'ok', protocol: PROTOCOL_VERSION, ...options.cluster?.status() }))
  // 503: leave it alone, and send nobody new.
  app.get('/health/ready', (_request, response) => {
    const status = readiness()
    response.status(status === 'ready' ? 200 : 503).json({ status })
  })
  app.get('/metrics', async (_request, response) => void response.type(metrics.contentType).send(await metrics.exposition()))
  app.use('/chunks', chunkRoutes(origin, uplink, metrics, options.trainerToken, options.cluster?.leader))
  if (options.serving !== undefined) app.use('/v1', openAiRoutes(options.serving, options.apiKeys ?? [], metrics, log, options.cluster?.leader))
  app.use('/models', express.static(options.models, { index: false, redirect: false }))
  app.get(PAGE_ROUTES, (_request, response) => {
    const index = join(resolve(options.page), 'index.html')
    if (existsSync(index)) response.set('Cache-Control', 'no-cache').sendFile(index)
    else response.status(503).type('text').send(`The page is not built: there is no ${index}. Run "npm run build", or name another directory with --page.\n`)
  })
  // Vite puts a hash of the content into the name of everything below assets/.
  app.use('/assets', express.static(join(options.page, 'assets'), { index: false, redirect: false, immutable: true, maxAge: '1y' }))
  app.use(express.static(options.page, { index: false, redirect: false }))
  app.use((request, response) => respondRefused(response, metrics, 404, 'not_found', `${request.method} ${request.path.slice(0, 100)}`))
  app.use(((error: { status?: number; type?: string }, _request, response, next) => {
    if (response.headersSent) return next(error)
    const status = error.status ?? 500
    if (status === 413) return respondRefused(response, metrics, 413, 'too_large', 'the body exceeds the size limit of a chunk')
    if (status < 500) return respondRefused(response, metrics, status, 'malformed', error.type)
    log.error({ event: 'request_failed', error }, 'request failed')
    response.status(500).json({ kind: 'failed' })
  }) satisfies ErrorRequestHandler)
  return app
}
