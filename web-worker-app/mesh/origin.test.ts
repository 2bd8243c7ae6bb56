import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { LIMITS } from '#shared/protocol/limits.ts'
import { fetchFromOrigin } from './origin.ts'

const HASH = 'a'.repeat(64)
const PATIENCE = { idleMs: 500, turnMs: 5000 }
const BODY = Buffer.from('the bytes of a chunk')

let server: Server | undefined

afterEach(() => {
  vi.unstubAllGlobals()
  server?.closeAllConnections()
  server?.close()
})

/** Pages ask for paths of their own server. */
async function origin(answer: RequestListener): Promise<void> {
  server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const here = fetch
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => here(`http://127.0.0.1:${port}${path}`, init))
}

const fetched = async (offset = 0, stopped = new AbortController().signal): Promise<unknown> => {
  const answer = await fetchFromOrigin(HASH, offset, stopped, PATIENCE)
  return answer instanceof Uint8Array ? Buffer.from(answer).toString() : answer
}

const after = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

test('whoever answers may take its time with the first byte: it sends in turn', async () => {
  await origin((_, response) => {
    response.flushHeaders()
    void after(2 * PATIENCE.idleMs).then(() => response.end(BODY))
  })
  expect(await fetched()).toBe(BODY.toString())
})

test('a slow body is waited for as long as it goes on', async () => {
  await origin(async (_, response) => {
    for (const byte of BODY) {
      response.write(Uint8Array.of(byte))
      await after(PATIENCE.idleMs / 10)
    }
    response.end()
  })
  expect(await fetched()).toBe(BODY.toString())
})

test.each<[string, RequestListener]>([
  ['does not answer', () => {}],
  ['stops in the middle', (_, response) => void response.write(BODY.subarray(0, 5))],
  ['breaks the connection', (_, response) => void response.write(BODY.subarray(0, 5), () => response.destroy())],
  ['sends more than a chunk holds', (_, response) => void response.end(Buffer.alloc(LIMITS.chunkBytes + 1))],
  ['has something wrong with it', (_, response) => void response.writeHead(500).end()]
])('an origin that %s has failed', async (_, answer) => {
  await origin(answer)
  expect(await fetched()).toBeUndefined()
})

test('one that does not have the chunk says so', async () => {
  await origin((_, response) => void response.writeHead(404).end())
  expect(await fetched()).toBe('unknown')
})

test('one that gives all where the rest was asked for is understood', async () => {
  await origin(({ headers }, response) => void response.writeHead(200, { asked: headers.range }).end(BODY))
  expect(await fetched(4)).toBe(BODY.subarray(4).toString())
})

test('one that has sent enough for now is asked again when it says, however long that is', async () => {
  const asked: number[] = []
  await origin((_, response) => {
    asked.push(performance.now())
    if (asked.length === 1) response.writeHead(429, { 'Retry-After': '1' }).end()
    else response.end(BODY)
  })
  expect(await fetched()).toBe(BODY.toString())
  expect(asked[1]! - asked[0]!).toBeGreaterThan(990)
})

test('a tab that leaves waits for nothing', async () => {
  await origin((_, response) => void response.writeHead(429, { 'Retry-After': '60' }).end())
  const stopped = new AbortController()
  const answer = fetched(0, stopped.signal)
  await once(server!, 'request')
  stopped.abort()
  expect(await answer).toBeUndefined()
})
