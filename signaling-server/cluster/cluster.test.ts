import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { manifestHash } from '#shared/dissemination/manifest.ts'
import { toHuggingFaceConfig } from '#shared/model/config.ts'
import type { SequenceRequested } from '#shared/protocol/stage-messages.ts'
import { publishedVersion, RUN } from '#shared/testing/swarm-fixtures.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { startSignalingServer, type SignalingServer } from '../server.ts'
import { LoopbackClient, TOKEN } from '../testing/loopback.ts'
import { hasRedis, RedisServer } from '../testing/redis-server.ts'
import { ReturningPage, ReturningTrainer } from '../testing/returning-clients.ts'

/**
 * Several real servers behind a real Redis. A machine that stands still for longer than a lease changes its leader at any time: nothing here depends on who leads, nor on nobody taking over.
 */

const LEASE_MS = 2_000

let redis: RedisServer
let servers: SignalingServer[] = []
let closing: (() => unknown)[] = []

describe.skipIf(!hasRedis)('several servers behind one Redis', () => {
  beforeAll(async () => {
    redis = await RedisServer.start()
  })

  afterAll(() => redis.stop())

  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
    await Promise.all(servers.splice(0).map(server => server.close()))
  })

  const start = async (count: number): Promise<SignalingServer[]> => {
    const started = await Promise.all(
      Array.from({ length: count }, () =>
        startSignalingServer({ port: 0, host: '127.0.0.1', page: 'nowhere', models: 'nowhere', trainerToken: TOKEN, messageRate: { perSecond: 1000, burst: 4000 }, cluster: { redis: redis.url, leaseMs: LEASE_MS } })
      )
    )
    servers.push(...started)
    return started
  }

  const page = (url: string, index: number, more: ConstructorParameters<typeof ReturningPage>[2] = {}): ReturningPage => {
    const created = new ReturningPage(url, index, more)
    closing.push(() => created.close())
    return created
  }

  const trainerAt = (url: string, change: ConstructorParameters<typeof ReturningTrainer>[1] = {}): ReturningTrainer => {
    const created = new ReturningTrainer(url, change)
    closing.push(() => created.close())
    return created
  }

  const health = async (url: string): Promise<{ role: string; redis: string }> => (await fetch(`${url}/health`)).json() as Promise<{ role: string; redis: string }>

  /** One that leads and one that follows, as it is at the moment. */
  const roles = async (urls: readonly string[]): Promise<{ leading: string; following: string }> => {
    let found: { leading: string; following: string } | undefined
    await expect
      .poll(async () => {
        const named = await Promise.all(urls.map(async url => ({ url, role: (await health(url)).role })))
        const [leading, following] = ['leading', 'following'].map(role => named.find(server => server.role === role)?.url)
        if (leading !== undefined && following !== undefined) found = { leading, following }
        return found
      })
      .toBeDefined()
    return found!
  }

  test('tabs at two servers are introduced to each other, what one says reaches the other in order, and both have every version', async () => {
    const urls = (await start(2)).map(({ url }) => url)
    const { leading, following } = await roles(urls)
    const trainer = trainerAt(following)
    const [ada, bob, cleo] = [page(leading, 1), page(following, 2), page(following, 3)]
    await expect.poll(() => [ada, bob, cleo].every(({ introduced }) => introduced.size === 2)).toBe(true)

    // Where somebody has to join again in between, signals may be lost, as on any lost connection; never are they exchanged. An attempt without that must bring all of them.
    const count = 300
    const attempt = async (from: ReturningPage, to: ReturningPage): Promise<boolean> => {
      const joins = [from.joins, to.joins]
      to.signals.length = 0
      for (let number = 0; number < count; number++) from.client.tell('signal', { to: to.peer, data: String(number) })
      await expect.poll(() => to.signals.length === count || from.joins !== joins[0] || to.joins !== joins[1]).toBe(true)
      expect(to.signals.map(Number).toSorted((left, right) => left - right)).toEqual(to.signals.map(Number))
      return to.signals.length === count
    }
    for (const [from, to] of [[ada, bob], [bob, ada], [bob, cleo]] as const) while (!(await attempt(from, to)));

    trainer.publish(1)
    await expect.poll(() => [ada, bob, cleo].map(({ newest }) => newest)).toEqual([1, 1, 1])
    for (const [hash, bytes] of publishedVersion(1).chunks) {
      for (const url of urls) {
        await expect.poll(async () => (await fetch(`${url}/chunks/${hash}`)).status).toBe(200)
        expect(new Uint8Array(await (await fetch(`${url}/chunks/${hash}`)).arrayBuffer())).toEqual(bytes)
      }
    }
    const unknown = 'f'.repeat(64)
    for (const url of urls) await expect.poll(async () => (await fetch(`${url}/chunks/${unknown}`)).status).toBe(404)
    const submission = { run: RUN, lease: 'l1', rollouts: [{ id: '0/0', version: 0, manifestHash: 'a'.repeat(64), prompt: 0, index: 0, seed: 'b'.repeat(64), tokens: [1], logProbs: [-1], finish: 'stop' }] }
    for (const tab of [ada, bob]) await expect.poll(() => tab.client.ask('rollouts_submitted', submission).catch(() => undefined)).toMatchObject({ kind: 'verdicts', verdicts: [{ id: '0/0', outcome: 'accepted' }] })
    const lines = (await (await fetch(`${leading}/metrics`)).text()).split('\n')
    expect(lines.filter(line => /^swarm_server_role|^swarm_redis_reachable/.test(line))).toHaveLength(4)
  })

  test('the API answers at every server, whichever the tab is at', async () => {
    const urls = (await start(2)).map(({ url }) => url)
    const { leading, following } = await roles(urls)
    trainerAt(leading, { model: toHuggingFaceConfig(tinyConfig({ layers: 2, contextLength: 32 })) })
    const room = 64 * 1024 * 1024
    const tab = page(following, 1, { memory: { memoryBytes: room, largestTensorBytes: room } })
    const { client } = tab
    client.socket.on('slice_assigned', ({ layers }: { layers: object | null }) => {
      client.tell('version_held', { run: RUN, version: 0, manifestHash: manifestHash(publishedVersion(0).manifest) })
      if (layers !== null) client.tell('slice_ready', { layers, engine: 'wasm', rows: 8 })
    })
    client.socket.on('place_assigned', ({ pipeline }: { pipeline: number }) => client.tell('place_taken', { pipeline }))
    client.socket.on('sequences_requested', ({ pipeline, requests }: { pipeline: number; requests: SequenceRequested[] }) => {
      for (const [token, finish] of [[7, null], [8, null], [9, 'length']] as const) client.tell('sequences_generated', { pipeline, sequences: requests.map(({ key }) => ({ key, tokens: [token], logProbs: [-1], finish })) })
    })
    for (const url of urls) {
      const complete = async (): Promise<unknown> => {
        const body = JSON.stringify({ model: RUN, prompt: [1, 5], max_tokens: 3, return_token_ids: true })
        return (await fetch(`${url}/v1/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json()
      }
      await expect.poll(complete).toMatchObject({ choices: [{ token_ids: [7, 8, 9], finish_reason: 'length' }] })
    }
    await expect.poll(async () => (await fetch(`${following}/v1/nothing`)).status).toBe(404)
  })

  test('while Redis is away who is here stays, and hears that nobody leads; once it is back everything goes on', async () => {
    const urls = (await start(2)).map(({ url }) => url)
    const { leading, following } = await roles(urls)
    const trainer = trainerAt(leading)
    const pages = [page(leading, 1), page(following, 2)]
    await expect.poll(() => pages.map(({ introduced }) => introduced.size)).toEqual([1, 1])
    await redis.kill()
    await expect.poll(() => Promise.all(urls.map(health))).toMatchObject([1, 2].map(() => ({ role: 'leaderless', redis: 'unreachable' })))
    const ready = await fetch(`${following}/health/ready`)
    expect([ready.status, await ready.json()]).toEqual([503, { status: 'no_leader' }])
    for (const { client } of pages) {
      expect(client.socket.connected).toBe(true)
      expect(await client.ask('origin_wanted', { version: 0, manifestHash: 'a'.repeat(64), need: 'share', from: null })).toMatchObject({ kind: 'refused', code: 'no_leader', detail: expect.stringContaining('no server leads') })
    }
    const late = new LoopbackClient(following, { role: 'volunteer' })
    closing.push(() => late.socket.disconnect())
    await late.until('connect_error')

    await redis.startAgain()
    trainer.publish(1)
    await expect.poll(() => pages.map(({ newest, joins }) => [newest, joins > 1])).toEqual([[1, true], [1, true]])
    await late.hear('challenge')
    expect(pages.map(({ gone }) => gone)).toEqual([[], []])
  })

  test('when the server that leads is killed another takes over; the links between tabs are left alone', async () => {
    const children = await Promise.all([0, 1, 2].map(() => startProcess()))
    const urls = children.map(({ url }) => url)
    const { leading } = await roles(urls)
    const [trainer, ...pages] = [trainerAt(urls.find(url => url !== leading)!), ...urls.map((url, index) => page(url, index + 1))] as const
    await expect.poll(() => pages.map(({ introduced }) => introduced.size)).toEqual([2, 2, 2])

    const killed = await roles(urls)
    children.find(({ url }) => url === killed.leading)!.child.kill('SIGKILL')
    const left = pages.filter(({ client }) => client.url !== killed.leading)
    const joins = left.map(page => page.joins)
    const trainerThere = killed.leading === trainer.client.url ? trainerAt(killed.following) : trainer
    trainerThere.publish(1)
    await expect.poll(() => left.map(({ newest, joins: now }, index) => [newest, now > joins[index]!])).toEqual(left.map(() => [1, true]))
    expect(pages.map(({ gone }) => gone)).toEqual([[], [], []])
    // Both still say that they are linked: signals pass without another introduction.
    await expect
      .poll(() => {
        left[0]!.client.tell('signal', { to: left[1]!.peer, data: 'candidate' })
        return left[1]!.signals
      })
      .toContain('candidate')
  })

  const startProcess = async (): Promise<{ readonly child: ChildProcess; readonly url: string }> => {
    const child = spawn(process.execPath, [join(inject('parts'), 'signaling-server/main.js'), '--port', '0', '--redis', redis.url], { env: { ...process.env, MURMURATION_TRAINER_TOKEN: TOKEN }, stdio: ['ignore', 'pipe', 'ignore'] })
    closing.push(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    return { child, url: (JSON.parse(line) as { url: string }).url }
  }
})
