/** What servers of one swarm ask each other over HTTP: chunks that one lacks, and answers of the API, which only the leading one can give. */
import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Request, Response } from 'express'
import type { ContentHash } from '#shared/protocol/identifiers.ts'
import { tokensMatch } from '../trainer-token.ts'
import type { ChunkOrigin } from './chunk-origin.ts'

export type LeaderPlace =
  | { readonly kind: 'here' }
  | { readonly kind: 'elsewhere'; readonly url: string }
  | { readonly kind: 'nobody' }

/** Shows that a server asks, and not somebody who came past its limits. */
const SERVER_HEADER = 'x-murmuration-server'
const CHUNK_WITHIN_MS = 20_000
/** Chunks that are fetched at the same time, and requests of the API that are passed on; more are refused. */
const CHUNKS_AT_ONCE = 32
const REQUESTS_AT_ONCE = 256
const PASSED_HEADERS = ['content-type', 'cache-control', 'retry-after', 'x-accel-buffering'] as const

export class LeaderHttp {
  readonly #place: () => LeaderPlace
  readonly #trainerToken: string
  readonly #serverToken: string
  readonly #chunks = new Map<ContentHash, Promise<Buffer | 'unavailable'>>()
  #forwarded = 0

  constructor(place: () => LeaderPlace, trainerToken: string) {
    this.#place = place
    this.#trainerToken = trainerToken
    this.#serverToken = createHmac('sha256', trainerToken).update('a server of the same swarm').digest('hex')
  }

  /** Whether another server of the swarm asks. */
  isServer({ headers }: IncomingMessage): boolean {
    const shown = headers[SERVER_HEADER]
    return typeof shown === 'string' && tokensMatch(shown, this.#serverToken)
  }

  /** Whether the answer has to come from somebody else. What was passed on once is answered here, if only with a refusal: never is it passed on in a circle. */
  isElsewhere(request: IncomingMessage): boolean {
    return this.#place().kind !== 'here' && !this.isServer(request)
  }

  /** Fetched once, however many ask, and kept in the origin. @returns undefined where it is not kept, or where this server leads and lacks it */
  async chunk(request: IncomingMessage, origin: ChunkOrigin, hash: ContentHash): Promise<Buffer | 'unavailable' | undefined> {
    const reference = origin.retained(hash)
    if (!this.isElsewhere(request)) return undefined
    const place = this.#place()
    if (place.kind !== 'elsewhere') return 'unavailable'
    if (reference === undefined) return undefined
    const begun = this.#chunks.get(hash)
    if (begun !== undefined) return begun
    if (this.#chunks.size >= CHUNKS_AT_ONCE) return 'unavailable'
    const fetched = this.#fetchChunk(place.url, hash, reference.size).finally(() => this.#chunks.delete(hash))
    this.#chunks.set(hash, fetched)
    const bytes = await fetched
    if (bytes !== 'unavailable' && origin.retained(hash) !== undefined) origin.put(hash, bytes)
    return bytes
  }

  /** Gives a chunk that a trainer put here to the server that leads. @returns its answer; undefined where this one leads */
  async put(request: IncomingMessage, hash: ContentHash, bytes: Buffer): Promise<{ readonly status: number; readonly body: string } | 'unavailable' | undefined> {
    if (!this.isElsewhere(request)) return undefined
    const place = this.#place()
    if (place.kind !== 'elsewhere') return 'unavailable'
    try {
      const response = await fetch(new URL(`/chunks/${hash}`, place.url), {
        method: 'PUT',
        body: new Uint8Array(bytes),
        headers: { authorization: `Bearer ${this.#trainerToken}`, [SERVER_HEADER]: this.#serverToken },
        signal: AbortSignal.timeout(CHUNK_WITHIN_MS)
      })
      return { status: response.status, body: await response.text() }
    } catch {
      return 'unavailable'
    }
  }

  /** The body has been read. @returns false when nobody could be asked, and nothing was sent */
  async forward(request: Request, response: Response): Promise<boolean> {
    const place = this.#place()
    if (place.kind !== 'elsewhere' || this.#forwarded >= REQUESTS_AT_ONCE) return false
    const left = new AbortController()
    response.once('close', () => left.abort())
    this.#forwarded++
    try {
      const body: unknown = request.body
      const answer = await fetch(new URL(request.originalUrl, place.url), {
        method: request.method,
        headers: { [SERVER_HEADER]: this.#serverToken, 'content-type': request.get('content-type') ?? 'application/json' },
        ...(Buffer.isBuffer(body) && { body: new Uint8Array(body) }),
        signal: left.signal
      })
      response.status(answer.status)
      for (const name of PASSED_HEADERS) {
        const value = answer.headers.get(name)
        if (value !== null) response.set(name, value)
      }
      response.flushHeaders()
      if (answer.body === null) response.end()
      else await pipeline(Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0]), response)
      return true
    } catch {
      // The reader left, or the other server in the middle of an answer: a cut answer must not look like a whole one.
      if (!response.headersSent && !left.signal.aborted) return false
      response.destroy()
      return true
    } finally {
      this.#forwarded--
    }
  }

  async #fetchChunk(leader: string, hash: ContentHash, size: number): Promise<Buffer | 'unavailable'> {
    try {
      const response = await fetch(new URL(`/chunks/${hash}`, leader), { headers: { [SERVER_HEADER]: this.#serverToken }, signal: AbortSignal.timeout(CHUNK_WITHIN_MS) })
      if (response.status !== 200 || Number(response.headers.get('content-length')) !== size) {
        await response.body?.cancel()
        return 'unavailable'
      }
      const bytes = Buffer.from(await response.arrayBuffer())
      return createHash('sha256').update(bytes).digest('hex') === hash ? bytes : 'unavailable'
    } catch {
      return 'unavailable'
    }
  }
}
