import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { OriginUplink } from './origin-uplink.ts'

/** More than the system holds for a connection whose other end does not read. */
const LARGE = Buffer.alloc(24 * 2 ** 20, 7)
const UNLIMITED = { perSecond: 1e9, burst: 1e12 }

let servers: Server[] = []
let sockets: Socket[] = []

afterEach(async () => {
  vi.useRealTimers()
  for (const socket of sockets) socket.destroy()
  for (const server of servers) {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
  servers = []
  sockets = []
})

/** Sends `LARGE`, in turn; the path says for whom it is. @returns the order in which requests came, and in which their responses began */
async function serve(responses: number, stallMs: number, beginning: (path: string) => void = () => {}): Promise<{ port: number; asked: string[]; begun: string[]; closed: string[] }> {
  const [asked, begun, closed]: [string[], string[], string[]] = [[], [], []]
  const uplink = new OriginUplink({ rate: UNLIMITED, responses, stallMs, addressOf: ({ url }) => url!.split('/')[1] })
  const server = createServer((request, response) => {
    asked.push(request.url!)
    response.once('close', () => closed.push(request.url!))
    response.setHeader('Content-Length', LARGE.byteLength)
    uplink.send(request, response, LARGE, () => {
      begun.push(request.url!)
      beginning(request.url!)
    })
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, asked, begun, closed }
}

/** Asks, and reads nothing until it is resumed. */
async function askAndWait(port: number, path: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  sockets.push(socket)
  await once(socket, 'connect')
  socket.pause()
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  return socket
}

async function bytesOf(port: number, path: string): Promise<Buffer> {
  const asked = request({ port, host: '127.0.0.1', path, agent: false }).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return Buffer.concat(await response.toArray())
}

describe('bodies in turn', () => {
  test('arrive whole; no more begin than there are places', async () => {
    const { port, asked, begun } = await serve(2, 60_000)
    await askAndWait(port, '/ada/1')
    await expect.poll(() => begun).toHaveLength(1)
    const second = await askAndWait(port, '/bob/1')
    await expect.poll(() => begun).toHaveLength(2)
    const third = bytesOf(port, '/cem/1')
    await expect.poll(() => asked).toHaveLength(3)
    const fourth = bytesOf(port, '/dan/1')
    await expect.poll(() => asked).toHaveLength(4)
    expect(begun).toEqual(['/ada/1', '/bob/1'])
    second.destroy()
    expect((await third).equals(LARGE)).toBe(true)
    expect((await fourth).equals(LARGE)).toBe(true)
    expect(begun).toEqual(['/ada/1', '/bob/1', '/cem/1', '/dan/1'])
  })

  test('who waits for its turn hears at once that it will come', async () => {
    const { port, begun } = await serve(1, 60_000)
    const held = await askAndWait(port, '/ada/1')
    await expect.poll(() => begun).toHaveLength(1)
    const asked = request({ port, host: '127.0.0.1', path: '/bob/1', agent: false }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    expect(response.headers['content-length']).toBe(String(LARGE.byteLength))
    expect(begun).toEqual(['/ada/1'])
    held.destroy()
    expect(Buffer.concat(await response.toArray()).equals(LARGE)).toBe(true)
  })

  test('of one that is not read the place goes to the next; read at last, it is whole', async () => {
    const { port, begun } = await serve(1, 100)
    const slow = await askAndWait(port, '/ada/1')
    await expect.poll(() => begun).toEqual(['/ada/1'])
    expect((await bytesOf(port, '/bob/1')).equals(LARGE)).toBe(true)
    expect(begun).toEqual(['/ada/1', '/bob/1'])
    const answer = Buffer.concat(await slow.toArray())
    expect(answer.subarray(answer.indexOf('\r\n\r\n') + 4).equals(LARGE)).toBe(true)
  })

  test('one that is read slowly, yet read, keeps its place', async () => {
    // Time passes as it reads: a third of the body would take too long if nothing left meanwhile. The system holds less than that for the connection.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const stallMs = 1000
    const msPerByte = (3 * stallMs) / LARGE.byteLength
    let read = 0
    const readBefore = new Map<string, number>()
    const { port, begun } = await serve(1, stallMs, path => void readBefore.set(path, read))
    const slow = await askAndWait(port, '/ada/1')
    await expect.poll(() => begun).toHaveLength(1)
    slow.on('data', (data: Buffer) => {
      read += data.byteLength
      vi.advanceTimersByTime(data.byteLength * msPerByte)
      slow.pause()
      setImmediate(() => slow.resume())
    })
    slow.resume()
    expect((await bytesOf(port, '/bob/1')).equals(LARGE)).toBe(true)
    // All of it but what the system holds for the connection.
    expect(readBefore.get('/bob/1')).toBeGreaterThan(LARGE.byteLength / 2)
  })

  test('who asks for many from one address does not keep another waiting', async () => {
    const { port, asked, begun } = await serve(1, 60_000)
    const held = await askAndWait(port, '/ada/1')
    await expect.poll(() => begun).toHaveLength(1)
    const many = [2, 3, 4].map(each => bytesOf(port, `/ada/${each}`))
    await expect.poll(() => asked).toHaveLength(4)
    const other = bytesOf(port, '/bob/1')
    await expect.poll(() => asked).toHaveLength(5)
    held.destroy()
    for (const body of await Promise.all([...many, other])) expect(body.equals(LARGE)).toBe(true)
    expect(begun[1]).toBe('/bob/1')
    expect(begun.slice(2).toSorted()).toEqual(['/ada/2', '/ada/3', '/ada/4'])
  })

  test('who goes away while it waits is sent nothing', async () => {
    const { port, asked, begun, closed } = await serve(1, 60_000)
    const held = await askAndWait(port, '/ada/1')
    await expect.poll(() => begun).toHaveLength(1)
    const gone = await askAndWait(port, '/bob/1')
    await expect.poll(() => asked).toHaveLength(2)
    gone.destroy()
    await expect.poll(() => closed).toEqual(['/bob/1'])
    held.destroy()
    expect((await bytesOf(port, '/cem/1')).equals(LARGE)).toBe(true)
    expect(begun).toEqual(['/ada/1', '/cem/1'])
  })
})
