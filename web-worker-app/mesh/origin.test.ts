import { once } from 'node:events'
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { LIMITS } from '#shared/protocol/limits.ts'
import { fetchFromOrigin } from './origin.ts'

const HASH = 'a'.repeat(64)
/** What is not about time has enough of it, on any machine. */
const PATIENCE = { idleMs: 60_000, turnMs: 120_000 }
const IMPATIENCE = { idleMs: 200, turnMs: 200 }
const BODY = Buffer.from('the bytes of a chunk')

let server: Server | undefined

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  server?.closeAllConnections()
  server?.close()
})

/** Pages ask for paths of their own server. @param came called with every part of a body that has come */
async function origin(answer: RequestListener, came: () => void = () => {}): Promise<void> {
  server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const here = fetch
  const watched = (): TransformStream => new TransformStream({ transform: (part, onward) => (onward.enqueue(part), came()) })
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    const response = await here(`http://127.0.0.1:${port}${path}`, init)
    return new Response(response.body?.pipeThrough(watched()), response)
  })
}

const fetched = async (offset = 0, stopped = new AbortController().signal, patience = PATIENCE): Promise<unknown> => {
  const answer = await fetchFromOrigin(HASH, offset, stopped, patience)
  return answer instanceof Uint8Array ? Buffer.from(answer).toString() : answer
}

/** Time passes only when a test lets it. */
function holdTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
}

/** Until what has come has been taken note of. */
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

test('whoever answers may take its time with the first byte: it sends in turn', async () => {
  holdTime()
  let sent: ServerResponse | undefined
  await origin((_, response) => (sent = response).flushHeaders())
  const here = fetch
  const answered = new Promise<void>(resolve => vi.stubGlobal('fetch', (path: string, init: RequestInit) => here(path, init).finally(resolve)))
  const answer = fetched()
  await answered
  await settled()
  vi.advanceTimersByTime(PATIENCE.turnMs - 1)
  sent!.end(BODY)
  expect(await answer).toBe(BODY.toString())
})

test('a slow body is waited for as long as it goes on', async () => {
  holdTime()
  let sent: ServerResponse | undefined
  let came = (): void => {}
  await origin((_, response) => void (sent = response).write(BODY.subarray(0, 1)), () => came())
  const next = (): Promise<void> => new Promise(resolve => (came = resolve))
  let part = next()
  const answer = fetched()
  for (const byte of BODY.subarray(1)) {
    await part
    await settled()
    vi.advanceTimersByTime(PATIENCE.idleMs - 1)
    part = next()
    sent!.write(Uint8Array.of(byte))
  }
  sent!.end()
  expect(await answer).toBe(BODY.toString())
})

test.each<[string, RequestListener]>([
  ['does not answer', () => {}],
  ['stops in the middle', (_, response) => void response.write(BODY.subarray(0, 5))],
  ['breaks the connection', (_, response) => void response.write(BODY.subarray(0, 5), () => response.destroy())],
  ['sends more than a chunk holds', (_, response) => void response.end(Buffer.alloc(LIMITS.chunkBytes + 1))],
  ['has something wrong with it', (_, response) => void response.writeHead(500).end()]
])('an origin that %s has failed', async (_, answer) => {
  await origin(answer)
  expect(await fetched(0, undefined, IMPATIENCE)).toBeUndefined()
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
