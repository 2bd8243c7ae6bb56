import { createHash } from 'node:crypto'
import express, { Router, type Request, type Response } from 'express'
import { contentHash } from '#shared/protocol/identifiers.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { decode } from '#shared/protocol/schema.ts'
import { tokensMatch } from '../trainer-token.ts'
import type { ChunkOrigin } from './chunk-origin.ts'
import type { LeaderHttp } from './leader-http.ts'
import type { Metrics } from './metrics.ts'
import type { OriginUplink } from './origin-uplink.ts'
import { respondRefused } from './refusal-response.ts'

/** A chunk's address is its content: it never changes, so caches may keep it for ever. */
const IMMUTABLE = 'public, max-age=31536000, immutable'

/** @param leader where several servers share a swarm: chunks that this one lacks are fetched from it, and those that come here are given to it */
export function chunkRoutes(origin: ChunkOrigin, uplink: OriginUplink, metrics: Metrics, trainerToken: string, leader?: LeaderHttp): Router {
  const router = Router()

  router.param('hash', (_request, response, next, hash: string) => {
    if (decode(contentHash, hash).kind === 'ok') next()
    else respondRefused(response, metrics, 400, 'malformed', 'a chunk is addressed by its SHA-256, 64 hexadecimal digits')
  })

  router.get('/:hash', async (request, response) => {
    const { hash } = request.params
    const bytes = origin.get(hash) ?? (await leader?.chunk(request, origin, hash))
    if (bytes === 'unavailable') {
      response.set('Cache-Control', 'no-store')
      respondRefused(response, metrics, 503, 'no_leader', 'the server that has this chunk does not answer')
      return
    }
    if (bytes === undefined) {
      response.set('Cache-Control', 'no-store')
      respondRefused(response, metrics, 404, 'unknown_chunk', 'the origin does not keep this chunk')
      return
    }
    response.set({ 'Cache-Control': IMMUTABLE, 'Accept-Ranges': 'bytes', ETag: `"${hash}"`, 'Content-Type': 'application/octet-stream' })
    sendRange(request, response, bytes, uplink, metrics)
  })

  router.put(
    '/:hash',
    (request, response, next) => {
      const token = /^Bearer (.+)$/.exec(request.get('Authorization') ?? '')?.[1]
      if (token !== undefined && tokensMatch(token, trainerToken)) next()
      else respondRefused(response, metrics, 401, 'unauthorised', 'the bearer token is not the trainer token')
    },
    express.raw({ type: () => true, limit: LIMITS.chunkBytes }),
    async (request, response) => {
      const { hash } = request.params as { hash: string }
      const bytes: unknown = request.body
      if (!Buffer.isBuffer(bytes)) {
        respondRefused(response, metrics, 400, 'malformed', 'the body must be the bytes of the chunk')
        return
      }
      metrics.linkBytes.inc({ direction: 'received', path: 'origin' }, bytes.byteLength)
      const elsewhere = await leader?.put(request, hash, bytes)
      if (elsewhere === 'unavailable') {
        respondRefused(response, metrics, 503, 'no_leader', 'the server that leads does not answer')
        return
      }
      if (elsewhere !== undefined) {
        if (elsewhere.status < 300) origin.put(hash, bytes)
        response.status(elsewhere.status).type('json').send(elsewhere.body)
        return
      }
      // Put again after a lost answer.
      if (origin.get(hash) !== undefined) {
        response.status(204).end()
        return
      }
      const expected = origin.expected(hash)
      if (expected === undefined) {
        respondRefused(response, metrics, 409, 'unknown_chunk', 'no published manifest lacks this chunk: publish first, then put what is missing')
        return
      }
      if (expected.size !== bytes.byteLength || createHash('sha256').update(bytes).digest('hex') !== hash) {
        respondRefused(response, metrics, 422, 'hash_mismatch', `${bytes.byteLength} bytes that are not chunk ${hash}`)
        return
      }
      origin.put(hash, bytes)
      response.status(201).end()
    }
  )
  return router
}

/** One range, or the whole when none, several or a malformed one is asked for (RFC 9110, section 14.2). */
function sendRange(request: Request, response: Response, bytes: Buffer, uplink: OriginUplink, metrics: Metrics): void {
  const ranges = request.range(bytes.byteLength)
  if (ranges === -1) {
    response.status(416).set('Content-Range', `bytes */${bytes.byteLength}`).end()
    return
  }
  const [range] = ranges === undefined || ranges === -2 || ranges.length !== 1 || ranges.type !== 'bytes' ? [] : ranges
  const body = range === undefined ? bytes : bytes.subarray(range.start, range.end + 1)
  const waitMs = uplink.take(request, body.byteLength)
  if (waitMs > 0) {
    response.set({ 'Cache-Control': 'no-store', 'Retry-After': String(Math.ceil(waitMs / 1000)) })
    respondRefused(response, metrics, 429, 'too_many_requests', `more chunks for this address in ${waitMs} ms`)
    return
  }
  if (range !== undefined) response.status(206).set('Content-Range', `bytes ${range.start}-${range.end}/${bytes.byteLength}`)
  response.set('Content-Length', String(body.byteLength))
  if (request.method === 'HEAD') response.end()
  else uplink.send(request, response, body, () => metrics.linkBytes.inc({ direction: 'sent', path: 'origin' }, body.byteLength))
}
