import { LIMITS } from '#shared/protocol/limits.ts'

/** How long the origin is waited for, milliseconds. */
export interface OriginPatience {
  /** Until it answers, and from one part of a body to the next. */
  readonly idleMs: number
  /** From its answer to the first byte: it sends few chunks at a time, each when it is its turn. */
  readonly turnMs: number
}

const PATIENCE: OriginPatience = { idleMs: 20_000, turnMs: 120_000 }

/**
 * The rest of a chunk from the signaling server.
 * @param offset of the first byte wanted
 * @returns `unknown` when the origin does not have it; undefined when it does not answer, stops in the middle, or sends more than a chunk holds
 */
export async function fetchFromOrigin(hash: string, offset: number, stopped: AbortSignal, { idleMs, turnMs } = PATIENCE): Promise<Uint8Array<ArrayBuffer> | 'unknown' | undefined> {
  const limit = new IdleLimit(stopped)
  try {
    const response = await fetchAllowed(hash, offset, limit, idleMs)
    if (response.status === 404) return 'unknown'
    if (!response.ok || response.body === null) return undefined
    limit.restart(turnMs)
    const bytes = await readAtMost(response.body, LIMITS.chunkBytes, () => limit.restart(idleMs))
    return bytes !== undefined && response.status === 200 ? bytes.subarray(offset) : bytes
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) return undefined
    throw error
  } finally {
    limit.end()
  }
}

/** An origin that has sent this address enough for now says when to come back; that is no failure of it. */
async function fetchAllowed(hash: string, offset: number, limit: IdleLimit, idleMs: number): Promise<Response> {
  const { signal } = limit
  for (;;) {
    limit.restart(idleMs)
    const response = await fetch(`/chunks/${hash}`, { signal, ...(offset > 0 && { headers: { Range: `bytes=${offset}-` } }) })
    const waitSeconds = Number(response.headers.get('Retry-After'))
    if (response.status !== 429 || !(waitSeconds > 0)) return response
    limit.end()
    await response.body?.cancel()
    await wait(waitSeconds * 1000, signal)
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason as DOMException)
    })
  })
}

/** Aborts when it is not restarted in time. */
class IdleLimit {
  readonly #expired = new AbortController()
  readonly signal: AbortSignal
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(stopped: AbortSignal) {
    this.signal = AbortSignal.any([stopped, this.#expired.signal])
  }

  restart(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#expired.abort(new DOMException('nothing came in time', 'TimeoutError')), ms)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

async function readAtMost(body: ReadableStream<Uint8Array<ArrayBuffer>>, limit: number, partCame: () => void): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const parts: Uint8Array[] = []
  let total = 0
  for await (const part of body) {
    partCame()
    total += part.byteLength
    if (total > limit) return undefined
    parts.push(part)
  }
  const bytes = new Uint8Array(total)
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.byteLength
  }
  return bytes
}
