import { LIMITS } from '#shared/protocol/limits.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import type { Page } from 'playwright-core'
import { io, type Socket } from 'socket.io-client'
import { expect, test, type TestSwarm } from './swarm.ts'

const SMALL = { batch: { prompts: 4, group: 8 }, evaluation: { size: 16, every: 0 } }

/** Resolves when the run has learnt once more than now: the others go on. */
async function waitForAnotherUpdate(swarm: TestSwarm): Promise<void> {
  const now = await swarm.waitForFeed(() => true)
  await swarm.waitForFeed(({ report }) => report.updates > now.report.updates)
}

function connectAsVolunteer(swarm: TestSwarm): Promise<Socket> {
  const socket = io(swarm.url, { transports: ['websocket'], auth: { role: 'volunteer' }, reconnection: false, forceNew: true })
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(socket))
    socket.once('connect_error', reject)
  })
}

test('bad chunks, malformed and oversized messages are refused by name; the run goes on', async ({ launchSwarm }) => {
  const swarm = await launchSwarm({ peers: 0, seed: 5, overrides: SMALL, args: ['--updates', '1000'] })
  let corrupted = 0
  const corrupt = async (page: Page): Promise<void> => {
    await page.route(/\/chunks\//, async route => {
      if (corrupted > 0) return route.continue()
      corrupted++
      const response = await route.fetch()
      const body = Buffer.from(await response.body())
      body[body.length - 1]! ^= 1
      return route.fulfill({ response, body })
    })
  }
  await swarm.openTab({ prepare: corrupt })
  await swarm.waitForFeed(({ report }) => report.updates >= 1)
  expect(corrupted, 'the tab was served one corrupted chunk, and works').toBe(1)

  const chunk = `${swarm.url}/chunks/${'ab'.repeat(32)}`
  const put = (body: Uint8Array<ArrayBuffer>, token: string): Promise<Response> => fetch(chunk, { method: 'PUT', body, headers: { Authorization: `Bearer ${token}` } })
  const answers = [await put(new Uint8Array(8), 'not the token'), await put(new Uint8Array(8), swarm.swarm.token), await put(new Uint8Array(LIMITS.chunkBytes + 1), swarm.swarm.token)]
  const refusals = (await Promise.all(answers.map(answer => answer.json()))) as { code: string }[]
  expect(refusals.map(({ code }) => code)).toEqual(['unauthorised', 'unknown_chunk', 'too_large'])

  const socket = await connectAsVolunteer(swarm)
  expect(await socket.emitWithAck('join', { protocol: 'one' })).toMatchObject({ kind: 'refused', code: 'malformed' })
  expect(await socket.emitWithAck('join', { protocol: PROTOCOL_VERSION, publicKey: 'a'.repeat(64), signature: 'b'.repeat(128), more: 'x'.repeat(100_000) })).toMatchObject({ kind: 'refused', code: 'too_large' })
  expect(socket.connected).toBe(true)
  const closed = new Promise<string>(resolve => socket.once('disconnect', resolve))
  socket.emit('rollouts_submitted', { run: 'x'.repeat(LIMITS.socketMessageBytes) })
  expect(await closed).toMatch(/transport/)

  await waitForAnotherUpdate(swarm)
  await swarm.stopTrainer()
})
