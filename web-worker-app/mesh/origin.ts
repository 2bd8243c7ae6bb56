import { LIMITS } from '#shared/protocol/limits.ts'

const REQUEST_TIMEOUT_MS = 20_000

/**
 * The rest of a chunk from the signaling server.
 * @param offset of the first byte wanted
 * @returns `unknown` when the origin does not have it; undefined when it does not answer, or sends more than a chunk holds
 */
export async function fetchFromOrigin(hash: string, offset: number, stopped: AbortSignal): Promise<Uint8Array<ArrayBuffer> | 'unknown' | undefined> {
  try {
    const response = await fetch(`/chunks/${hash}`, {
      signal: AbortSignal.any([stopped, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
      ...(offset > 0 && { headers: { Range: `bytes=${offset}-` } })
    })
    if (response.status === 404) return 'unknown'
    if (!response.ok || response.body === null) return undefined
    const bytes = await readAtMost(response.body, LIMITS.chunkBytes)
    return bytes !== undefined && response.status === 200 ? bytes.subarray(offset) : bytes
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) return undefined
    throw error
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
