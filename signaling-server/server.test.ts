import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { manifestHash } from '#shared/dissemination/manifest.ts'
import type { Handshake } from '#shared/protocol/handshake.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { describedRun, emptyFeed, peerName, publishedVersion, RUN, signedJoin, WAITING } from '#shared/testing/swarm-fixtures.ts'
import { startSignalingServer, type SignalingServer, type SignalingServerOptions } from './server.ts'
import { joinAs, LoopbackClient, openRun, publish, putChunk, TOKEN } from './testing/loopback.ts'

let root: string
let server: SignalingServer
let clients: LoopbackClient[]

const base = publishedVersion(0)
const first = publishedVersion(1)
const [baseHash] = base.chunks.keys() as unknown as [string]

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'signaling-server-'))
  clients = []
  server = await start()
})

afterEach(async () => {
  for (const client of clients) client.socket.disconnect()
  await server.close()
  await rm(root, { recursive: true })
})

function start(change: Partial<SignalingServerOptions> = {}): Promise<SignalingServer> {
  return startSignalingServer({ port: 0, host: '127.0.0.1', page: join(root, 'dist'), models: join(root, 'models'), trainerToken: TOKEN, ...change })
}

function client(auth: Handshake = { role: 'volunteer' }): LoopbackClient {
  const created = new LoopbackClient(server.url, auth)
  clients.push(created)
  return created
}

async function openedTrainer(): Promise<LoopbackClient> {
  const trainer = client({ role: 'trainer', token: TOKEN })
  await openRun(trainer)
  await publish(server.url, trainer, base)
  return trainer
}

async function refusedBy(auth: unknown): Promise<unknown> {
  return ((await client(auth as Handshake).until('connect_error')) as { data: unknown }).data
}

async function refusal(response: Promise<Response>): Promise<unknown[]> {
  const { status } = await response
  return [status, ((await (await response).json()) as { code: string }).code]
}

async function chunkStatus(version: number): Promise<number> {
  const [hash] = publishedVersion(version).chunks.keys()
  return (await fetch(`${server.url}/chunks/${hash}`)).status
}

/** Signed for no connection. */
const UNASKED = signedJoin(1, { server: 'elsewhere.example', challenge: '0'.repeat(64) })
async function metrics(): Promise<string[]> {
  return (await (await fetch(`${server.url}/metrics`)).text()).split('\n')
}

const submission = { run: RUN, lease: 'l1', rollouts: [{ id: '0/0', version: 0, manifestHash: 'a'.repeat(64), prompt: 0, index: 0, seed: 'b'.repeat(64), tokens: [1], logProbs: [-1], finish: 'stop' }] }

describe('the swarm', () => {
  test('tabs join, are introduced, and pass signals; a version is announced, shared out and fetched', async () => {
    const trainer = await openedTrainer()
    const [ada, bob] = [client(), client()]
    expect(await joinAs(ada, 1)).toMatchObject({ description: describedRun(), base: { manifest: base.manifest }, newest: { manifest: base.manifest } })
    await joinAs(bob, 2)
    expect(await bob.hear('introduction')).toEqual({ peer: peerName(1), initiator: true })
    expect(await ada.hear('introduction')).toEqual({ peer: peerName(2), initiator: false })
    bob.tell('signal', { to: peerName(1), data: '{"type":"offer"}' })
    expect(await ada.hear('signal')).toEqual({ from: peerName(2), data: '{"type":"offer"}' })

    await publish(server.url, trainer, first)
    expect(await ada.hear('policy_announced')).toEqual({ manifest: first.manifest })
    expect(await bob.hear('policy_announced')).toEqual({ manifest: first.manifest })
    for (const [hash, bytes] of first.chunks) {
      expect(new Uint8Array(await (await fetch(`${server.url}/chunks/${hash}`)).arrayBuffer())).toEqual(bytes)
    }
    ada.socket.disconnect()
    expect(await bob.hear('peer_gone')).toEqual({ peer: peerName(1) })
    expect(await trainer.hear('peer_left')).toEqual({ run: RUN, peer: peerName(1) })
  })

  test('a tab is told of the STUN and TURN servers, with a credential in its own name', async () => {
    await server.close()
    server = await start({ ice: { stun: ['stun:s.example:3478'], turn: ['turn:t.example:3478'], turnSecret: 'a secret of the TURN server' } })
    await openedTrainer()
    const { iceServers } = await joinAs(client(), 1)
    const [, ends, peer] = /^(\d+):(.*)$/.exec(iceServers[1]!.username!)!
    expect(iceServers.map(({ urls }) => urls)).toEqual(['stun:s.example:3478', 'turn:t.example:3478'])
    expect(peer).toBe(peerName(1))
    expect(Math.abs(Number(ends) - Date.now() / 1000 - 3600)).toBeLessThan(60)
  })

  test('wishes, status and leases pass between tab and trainer; verdicts answer a submission', async () => {
    const trainer = await openedTrainer()
    const ada = client()
    await joinAs(ada, 1)
    ada.tell('work_wanted', { run: RUN, version: 0, rollouts: 4 })
    ada.tell('peer_status', WAITING)
    expect(await trainer.hear('peer_joined')).toEqual({ run: RUN, peer: peerName(1) })
    expect(await trainer.hear('work_wanted')).toEqual({ run: RUN, peer: peerName(1), version: 0, rollouts: 4 })
    expect(await trainer.hear('peer_status')).toEqual({ run: RUN, peer: peerName(1), status: WAITING })
    const prompts = [{ prompt: 0, tokens: [1, 2], samples: [{ index: 0, seed: 'c'.repeat(64) }] }]
    const lease = { id: 'l1', run: RUN, version: 0, manifestHash: manifestHash(base.manifest), prompts, maxTokens: 4, durationMs: 1000 }
    trainer.tell('lease_granted', { peer: peerName(1), lease })
    expect(await ada.hear('lease_granted')).toEqual(lease)

    const verdicts = { kind: 'verdicts', verdicts: [{ id: '0/0', outcome: 'accepted', reward: 1 }] }
    trainer.socket.on('rollouts_submitted', (request, acknowledge) => {
      expect(request).toEqual({ peer: peerName(1), submission })
      acknowledge(verdicts)
    })
    expect(await ada.ask('rollouts_submitted', submission)).toEqual(verdicts)
  })

  test('a submission is answered no_trainer when the trainer leaves, answers nonsense or not in time', async () => {
    await server.close()
    server = await start({ verdictsWithinMs: 50 })
    const trainer = await openedTrainer()
    const ada = client()
    await joinAs(ada, 1)
    expect(await ada.ask('rollouts_submitted', submission)).toMatchObject({ code: 'no_trainer', detail: 'the trainer did not answer in time' })
    trainer.socket.once('rollouts_submitted', (_request, acknowledge) => acknowledge({ kind: 'verdicts', verdicts: 'all good' }))
    expect(await ada.ask('rollouts_submitted', submission)).toMatchObject({ code: 'no_trainer', detail: 'the trainer answered something else than verdicts' })
    trainer.socket.once('rollouts_submitted', () => trainer.socket.disconnect())
    expect(await ada.ask('rollouts_submitted', submission)).toMatchObject({ code: 'no_trainer' })
  })

  test('the feed reaches tabs and observers, also those who come later', async () => {
    const trainer = await openedTrainer()
    const early = client({ role: 'observer' })
    await early.hear('run_described')
    trainer.tell('run_feed', { run: RUN, feed: emptyFeed(5) })
    expect(await early.hear('run_feed')).toEqual(emptyFeed(5))
    expect(await client({ role: 'observer', run: RUN }).hear('run_feed')).toEqual(emptyFeed(5))
    expect(await client().hear('run_feed')).toEqual(emptyFeed(5))
  })

  test('a run whose trainer does not return is forgotten, chunks and all, and its tabs are told', async () => {
    await server.close()
    server = await start({ forgetRunsAfterMs: 20 })
    const trainer = await openedTrainer()
    expect(await trainer.ask('policy_published', { manifest: first.manifest })).toMatchObject({ kind: 'chunks_missing' })
    const ada = client()
    await joinAs(ada, 1)
    trainer.socket.disconnect()
    expect(await ada.hear('refused')).toMatchObject({ code: 'unknown_run' })
    expect(await chunkStatus(0)).toBe(404)
    const [[hash, bytes]] = [...first.chunks] as [[string, Uint8Array<ArrayBuffer>]]
    expect(await refusal(putChunk(server.url, hash, bytes))).toEqual([409, 'unknown_chunk'])
    expect(await ada.ask('join', await ada.joinRequest(1))).toMatchObject({ code: 'unknown_run' })
  })

  test('after a restart everybody says it again and goes on', async () => {
    const trainer = await openedTrainer()
    const ada = client()
    await joinAs(ada, 1)
    const { port } = server
    const [trainerLost, adaLost] = [trainer.until('disconnect'), ada.until('disconnect')]
    await server.close()
    for (const told of [await ada.hear('bye'), await trainer.hear('bye')]) expect(told).toEqual({ retryAfterMs: expect.any(Number) })
    await Promise.all([trainerLost, adaLost])
    const back = [trainer.until('connect'), ada.until('connect')]
    server = await start({ port })
    await Promise.all(back)

    expect(await ada.ask('join', await ada.joinRequest(1))).toMatchObject({ code: 'unknown_run' })
    await openRun(trainer)
    await publish(server.url, trainer, base)
    await ada.hear('run_described')
    await joinAs(ada, 1)
    expect(await trainer.hear('peer_joined')).toEqual({ run: RUN, peer: peerName(1) })
    ada.tell('work_wanted', { run: RUN, version: 0, rollouts: 1 })
    expect(await trainer.hear('work_wanted')).toMatchObject({ peer: peerName(1) })
  })
})

describe('who a peer is', () => {
  test('a join that was heard on its way is of no use on another socket; the page itself comes back on a new one and gets its place', async () => {
    await openedTrainer()
    const [ada, thief] = [client(), client()]
    const heard = await ada.joinRequest(1)
    expect(await ada.ask('join', heard)).toMatchObject({ kind: 'welcome' })
    expect(await thief.ask('join', heard)).toMatchObject({ kind: 'refused', code: 'bad_signature' })
    expect(ada.socket.connected).toBe(true)

    const replaced = ada.until('disconnect')
    const again = client()
    await joinAs(again, 1)
    expect(await replaced).toBe('io server disconnect')
    await joinAs(thief, 2)
    expect(await thief.hear('introduction')).toEqual({ peer: peerName(1), initiator: true })
    expect(await again.hear('introduction')).toEqual({ peer: peerName(2), initiator: false })
  })
})

describe('refusals on the socket', () => {
  test('a wrong token, an unknown role, and a page of another site do not connect', async () => {
    expect(await refusedBy({ role: 'trainer', token: 'guess' })).toMatchObject({ kind: 'refused', code: 'unauthorised' })
    expect(await refusedBy({ role: 'admin' })).toMatchObject({ kind: 'refused', code: 'malformed' })
    const statusFor = async (origin: string): Promise<number> => (await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`, { headers: { origin } })).status
    expect([await statusFor(server.url), await statusFor('https://elsewhere.example'), await statusFor('null')]).toEqual([200, 403, 403])
  })

  test.each<[string, string, unknown, string]>([
    ['an unknown event', 'format_disk', {}, 'malformed'],
    ['a trainer’s event from a page', 'run_opened', { protocol: PROTOCOL_VERSION, description: describedRun(), newest: 0, tokenizer: null }, 'malformed'],
    ['no payload', 'join', undefined, 'malformed'],
    ['an unknown key', 'join', { ...UNASKED, admin: true }, 'malformed'],
    ['another protocol version', 'join', { ...UNASKED, protocol: PROTOCOL_VERSION + 1 }, 'unsupported_protocol'],
    ['a join of an older protocol', 'join', { protocol: 2, peer: 'a'.repeat(32), secret: 'b'.repeat(64) }, 'unsupported_protocol'],
    ['an unknown run', 'join', { ...UNASKED, run: 'other' }, 'unknown_run'],
    ['an oversized signal', 'signal', { to: peerName(1), data: 'x'.repeat(3 * LIMITS.signalBytes) }, 'too_large'],
    ['a submission before joining', 'rollouts_submitted', submission, 'not_joined']
  ])('%s is refused, and the socket goes on', async (_, event, payload, code) => {
    await openedTrainer()
    const ada = client()
    expect(await ada.ask(event, payload)).toMatchObject({ kind: 'refused', code })
    ada.tell(event, payload)
    expect(await ada.hear('refused')).toMatchObject({ kind: 'refused', code })
    await joinAs(ada, 1)
  })

  test('an observer sends nothing', async () => {
    expect(await client({ role: 'observer' }).ask('peer_status', WAITING)).toMatchObject({ code: 'malformed' })
  })

  test('too many messages are refused by name; a flood closes its socket and no other', async () => {
    await server.close()
    server = await start({ messageRate: { perSecond: 0.001, burst: 5 } })
    await openedTrainer()
    const [flooding, calm] = [client(), client()]
    await joinAs(calm, 2)
    for (let sent = 0; sent < 5; sent++) flooding.tell('peer_status', WAITING)
    expect(await flooding.ask('join', {})).toMatchObject({ code: 'too_many_requests' })
    const closed = flooding.until('disconnect')
    for (let sent = 0; sent < 600; sent++) flooding.tell('peer_status', WAITING)
    expect(await closed).toBe('io server disconnect')
    calm.tell('signal', { to: peerName(9), data: '' })
    expect(await calm.hear('refused')).toMatchObject({ code: 'unknown_peer' })
  })

  test('new sockets of one address are limited, and of others not', async () => {
    await server.close()
    server = await start({ proxies: 1, socketRate: { perSecond: 0.001, burst: 2 } })
    const handshakeFrom = async (address: string): Promise<number> => (await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`, { headers: { 'x-forwarded-for': address } })).status
    const statuses = []
    for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2']) statuses.push(await handshakeFrom(address))
    expect(statuses).toEqual([200, 200, 403, 200])
    expect(await metrics()).toContain('swarm_refusals_total{code="too_many_requests"} 1')
  })

  test('a frame above the limit closes its own socket only', async () => {
    const [large, calm] = [client(), client()]
    await Promise.all([large.until('connect'), calm.until('connect')])
    const closed = large.until('disconnect')
    large.tell('signal', 'x'.repeat(LIMITS.socketMessageBytes + 1))
    await closed
    expect(await calm.ask('join', {})).toMatchObject({ code: 'malformed' })
  })
})

describe('what an operator sees', () => {
  test('who is here, what was said and refused, and how long a signal took, without a name of anybody', async () => {
    await openedTrainer()
    const [ada, bob] = [client(), client()]
    await joinAs(ada, 1)
    await joinAs(bob, 2)
    ada.tell('peer_status', WAITING)
    bob.tell('signal', { to: peerName(1), data: '{}' })
    await ada.hear('signal')
    bob.tell('signal', { to: peerName(9), data: '{}' })
    bob.tell('x'.repeat(100), {})
    for (const _ of ['unknown_peer', 'malformed']) await bob.hear('refused')
    const lines = await metrics()
    expect(lines).toEqual(
      expect.arrayContaining([
        'swarm_connection_count{role="volunteer"} 2',
        'swarm_connection_count{role="trainer"} 1',
        'swarm_peer_count{state="waiting"} 1',
        'swarm_peer_count{state="unknown"} 1',
        'swarm_messages_total{direction="received",event="signal"} 2',
        'swarm_messages_total{direction="received",event="unknown"} 1',
        'swarm_messages_total{direction="sent",event="signal"} 1',
        'swarm_refusals_total{code="unknown_peer"} 1',
        'swarm_refusals_total{code="malformed"} 1',
        'swarm_signal_delivery_seconds_count 1'
      ])
    )
    expect(lines.some(line => line.startsWith('nodejs_eventloop_lag_p99_seconds '))).toBe(true)
    expect(lines.some(line => line.startsWith('process_resident_memory_bytes '))).toBe(true)
    for (const secret of [peerName(1), 'xxxx', '127.0.0.1']) expect(lines.join('\n')).not.toContain(secret)
  })

  test('a server with no room for more sockets lives, and is not ready; who comes is refused', async () => {
    await server.close()
    server = await start({ connections: 1 })
    const status = async (path: string): Promise<unknown[]> => {
      const response = await fetch(server.url + path)
      return [response.status, await response.json()]
    }
    expect(await status('/health/ready')).toEqual([200, { status: 'ready' }])
    await client().hear('challenge')
    expect(await status('/health/ready')).toEqual([503, { status: 'full' }])
    expect(await status('/health')).toEqual([200, { status: 'ok', protocol: PROTOCOL_VERSION }])
    expect(await refusedBy({ role: 'observer' })).toMatchObject({ code: 'server_full' })
  })
})

describe('chunks over HTTP', () => {
  test('a chunk is sent whole or from an offset, and may be kept for ever', async () => {
    await openedTrainer()
    const url = `${server.url}/chunks/${baseHash}`
    const bytes = base.chunks.get(baseHash)!
    const whole = await fetch(url)
    expect(whole.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(new Uint8Array(await whole.arrayBuffer())).toEqual(bytes)
    const rest = await fetch(url, { headers: { range: 'bytes=4000-' } })
    expect([rest.status, rest.headers.get('content-range')]).toEqual([206, 'bytes 4000-4095/4096'])
    expect(new Uint8Array(await rest.arrayBuffer())).toEqual(bytes.slice(4000))
    expect((await fetch(url, { headers: { range: 'bytes=4096-' } })).status).toBe(416)
    expect((await fetch(url, { headers: { range: 'lines=1-2' } })).status).toBe(200)
    expect(await metrics()).toContain(`swarm_link_io_bytes_total{direction="sent",path="origin"} ${2 * 4096 + 96}`)
    expect(await metrics()).toContain('swarm_link_io_bytes_total{direction="received",path="origin"} 4096')
  })

  test('a put is refused without the token, when nobody expects it, when it is too large, and when it is something else', async () => {
    const trainer = client({ role: 'trainer', token: TOKEN })
    await openRun(trainer)
    const bytes = base.chunks.get(baseHash)!
    expect(await refusal(putChunk(server.url, baseHash, bytes))).toEqual([409, 'unknown_chunk'])
    expect(await trainer.ask('policy_published', { manifest: base.manifest })).toEqual({ kind: 'chunks_missing', hashes: [baseHash] })
    expect(await refusal(putChunk(server.url, baseHash, bytes, 'guess'))).toEqual([401, 'unauthorised'])
    expect(await refusal(putChunk(server.url, baseHash, new Uint8Array(LIMITS.chunkBytes + 1)))).toEqual([413, 'too_large'])
    expect(await refusal(putChunk(server.url, baseHash, bytes.map(byte => byte ^ 1)))).toEqual([422, 'hash_mismatch'])
    expect(await refusal(putChunk(server.url, baseHash, new Uint8Array(0)))).toEqual([422, 'hash_mismatch'])
    expect(await refusal(putChunk(server.url, 'not-a-hash', bytes))).toEqual([400, 'malformed'])
    expect(await refusal(fetch(`${server.url}/chunks/${baseHash}`))).toEqual([404, 'unknown_chunk'])
    expect(await trainer.ask('policy_published', { manifest: base.manifest })).toMatchObject({ kind: 'chunks_missing' })
    expect((await putChunk(server.url, baseHash, bytes)).status).toBe(201)
    expect((await putChunk(server.url, baseHash, bytes)).status).toBe(204)
    expect(await trainer.ask('policy_published', { manifest: base.manifest })).toEqual({ kind: 'announced' })
  })

  test('an address that had enough is told when to come back; others are served', async () => {
    await server.close()
    server = await start({ proxies: 1, originRate: { perSecond: 0.01, burst: 4095 } })
    await openedTrainer()
    const from = (address: string): Promise<Response> => fetch(`${server.url}/chunks/${baseHash}`, { headers: { 'x-forwarded-for': address } })
    expect((await from('2001:db8::1')).status).toBe(200)
    const late = await from('2001:db8::2')
    expect([late.status, late.headers.get('cache-control')]).toEqual([429, 'no-store'])
    // One byte was taken that was not there: two have to come, each in a hundred seconds.
    expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(100)
    expect(Number(late.headers.get('retry-after'))).toBeLessThanOrEqual(200)
    expect(await late.json()).toMatchObject({ kind: 'refused', code: 'too_many_requests' })
    expect((await from('2001:db8:0:1::1')).status).toBe(200)
  })

  test('chunks of versions that nobody may use any more are dropped', async () => {
    const trainer = await openedTrainer()
    for (let version = 1; version <= 4; version++) await publish(server.url, trainer, publishedVersion(version))
    expect(await Promise.all([0, 1, 2, 3, 4].map(chunkStatus))).toEqual([200, 404, 200, 200, 200])
  })
})

describe('the page and the models over HTTP', () => {
  test('one line says when the page is not built', async () => {
    const response = await fetch(`${server.url}/`)
    expect(response.status).toBe(503)
    expect(await response.text()).toMatch(/^The page is not built: there is no .*index\.html\. Run "npm run build".*\n$/)
  })

  test('both routes are the page; files have their types and the headers of an isolated page', async () => {
    await mkdir(join(root, 'dist', 'assets'), { recursive: true })
    await mkdir(join(root, 'models', 'tiny'), { recursive: true })
    await writeFile(join(root, 'dist', 'index.html'), '<!doctype html><title>page</title>')
    await writeFile(join(root, 'dist', 'assets', 'ort.wasm'), 'wasm')
    await writeFile(join(root, 'models', 'tiny', 'config.json'), '{}')
    for (const route of ['/', '/dashboard']) {
      const response = await fetch(server.url + route)
      expect(await response.text()).toContain('<title>page</title>')
      expect(response.headers.get('cross-origin-opener-policy')).toBe('same-origin')
      expect(response.headers.get('cross-origin-embedder-policy')).toBe('require-corp')
      expect(response.headers.get('content-security-policy')).not.toMatch(/'unsafe-eval'|unsafe-inline/)
    }
    const wasm = await fetch(`${server.url}/assets/ort.wasm`)
    expect([wasm.headers.get('content-type'), wasm.headers.get('cache-control')]).toEqual(['application/wasm', 'public, max-age=31536000, immutable'])
    expect(await (await fetch(`${server.url}/models/tiny/config.json`)).json()).toEqual({})
    expect(await (await fetch(`${server.url}/nowhere`)).json()).toMatchObject({ kind: 'refused', code: 'not_found' })
  })

  test.each(['/models/../secret.txt', '/models/%2e%2e/secret.txt', '/models/..%2fsecret.txt', '/assets/..%5c..%2fsecret.txt', '/%2e%2e/secret.txt', '/models/%00'])('%s reaches nothing outside', async path => {
    await mkdir(join(root, 'models'), { recursive: true })
    await writeFile(join(root, 'secret.txt'), 'a secret')
    // Written by hand: clients resolve dots before they ask.
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`))
      let text = ''
      socket.on('data', data => (text += data.toString()))
      socket.on('end', () => resolve(text))
      socket.on('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 40[034] /)
    expect(answer).not.toContain('a secret')
  })
})
