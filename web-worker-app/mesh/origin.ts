import { LIMITS } from '#shared/protocol/limits.ts'

const REQUEST_TIMEOUT_MS = 20_000

/**
 * The rest of a chunk from the signaling server.
 * @param offset of the first byte wanted
 * @returns `unknown` when the origin does not have it; undefined when it does not answer, or sends more than a chunk holds
 */
export async function fetchFromOrigin(hash: string, offset: number, stopped: AbortSignal): Promise<Uint8Array<ArrayBuffer> | 'unknown' | undefined> {
  try {
    const response = await fetchAllowed(hash, offset, stopped)
    if (response.status === 404) return 'unknown'
    if (!response.ok || response.body === null) return undefined
    const bytes = await readAtMost(response.body, LIMITS.chunkBytes)
    return bytes !== undefined && response.status === 200 ? bytes.subarray(offset) : bytes
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) return undefined
    throw error
  }
}

/** An origin that has sent this address enough for now says when to come back; that is no failure of it. */
async function fetchAllowed(hash: string, offset: number, stopped: AbortSignal): Promise<Response> {
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(REQUEST_TIMEOUT_MS)])
  for (;;) {
    const response = await fetch(`/chunks/${hash}`, { signal, ...(offset > 0 && { headers: { Range: `bytes=${offset}-` } }) })
    const waitSeconds = Number(response.headers.get('Retry-After'))
    if (response.status !== 429 || !(waitSeconds > 0)) return response
    await response.body?.cancel()
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, waitSeconds * 1000)
      signal.addEventListener('abort', () => {
        clearTimeout(timer)
        reject(signal.reason as DOMException)
      })
    })
  }
}

async function readAtMost(body: ReadableStream<Uint8Array<ArrayBuffer>>, limit: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const parts: Uint8Array[] = []
  let total = 0
  for await (const part of body) {
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
