import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from '@playwright/test'
import { manifestHash } from '#shared/dissemination/manifest.ts'
import { describedRun, publishedVersion } from '#shared/testing/swarm-fixtures.ts'
import { startSignalingServer, type SignalingServer, type SignalingServerOptions } from '#signaling-server/server.ts'
import { PolicyPublisher } from '#trainer/coordinator/policy-publisher.ts'
import { ServerConnection } from '#trainer/coordinator/server-connection.ts'
import type { SignedPolicy } from '#trainer/coordinator/signed-policy.ts'
import { Deferred } from '#trainer/deferred.ts'
import { publishOnly } from '#trainer/testing/publish-only.ts'

/** The trainer's publisher on the real signaling server: whatever breaks, the newest version stands there in the end. */

const trainerToken = randomBytes(32).toString('hex')
const options: SignalingServerOptions = { port: 0, host: '127.0.0.1', page: 'no page', models: 'no models', trainerToken }

let server: SignalingServer
let closing: (() => Promise<unknown>)[]

test.beforeEach(async () => {
  server = await startSignalingServer(options)
  closing = []
})

test.afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  await server.close()
})

function signed(version: number): SignedPolicy {
  const { manifest, chunks } = publishedVersion(version)
  return { manifest, hash: manifestHash(manifest), chunks, ancestors: [] }
}

function openPublisher(newest: SignedPolicy, originUrl = server.url): { publisher: PolicyPublisher; opened: Promise<void> } {
  const opened = new Deferred()
  const connection: ServerConnection = new ServerConnection(server.url, trainerToken, publishOnly(() => publisher.connected(), error => opened.reject(error)))
  const publisher: PolicyPublisher = new PolicyPublisher(connection, { url: originUrl, token: trainerToken }, { description: describedRun(), tokenizer: null }, signed(0), newest, { opened: () => opened.resolve(), failed: error => opened.reject(error) })
  closing.push(() => connection.close())
  return { publisher, opened: opened.promise }
}

/** In front of the origin, and cuts the connections of the first requests. */
async function openCuttingProxy(cuts: number): Promise<{ url: string; isCut: () => boolean }> {
  let left = cuts
  const proxy: Server = createServer((request, response) => {
    if (left > 0) {
      left--
      request.socket.destroy()
      return
    }
    void forward(request.url!, request.headers.authorization!, request).then(status => response.writeHead(status).end())
  })
  const forward = async (path: string, authorization: string, body: AsyncIterable<Buffer>): Promise<number> => {
    const parts: Buffer[] = []
    for await (const part of body) parts.push(part)
    return (await fetch(`${server.url}${path}`, { method: 'PUT', headers: { authorization }, body: Buffer.concat(parts) })).status
  }
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  closing.push(() => new Promise(resolve => proxy.close(resolve)))
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, isCut: () => left === 0 }
}

async function isAtOrigin({ chunks }: SignedPolicy): Promise<boolean> {
  const answers = await Promise.all([...chunks.keys()].map(hash => fetch(`${server.url}/chunks/${hash}`)))
  return answers.every(({ ok }) => ok)
}

test('uploads that break off are made again, although the connection stands', async () => {
  const newest = signed(1)
  const { url, isCut } = await openCuttingProxy(3)
  const { publisher, opened } = openPublisher(newest, url)
  await opened
  expect(isCut()).toBe(true)
  expect(await isAtOrigin(newest)).toBe(true)
  publisher.publish(signed(2))
  await expect.poll(() => isAtOrigin(signed(2))).toBe(true)
})

test('a server that restarts is told everything again, and what was learnt meanwhile', async () => {
  const { publisher, opened } = openPublisher(signed(0))
  await opened
  const { port } = new URL(server.url)
  await server.close()
  publisher.publish(signed(1))
  server = await startSignalingServer({ ...options, port: Number(port) })
  await expect.poll(() => isAtOrigin(signed(1))).toBe(true)
  expect(await isAtOrigin(signed(0))).toBe(true)
})
