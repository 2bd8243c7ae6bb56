import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { manifestHash } from '#shared/dissemination/manifest.ts'
import type { Handshake } from '#shared/protocol/handshake.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { describedRun, emptyFeed, peerName, publishedVersion, RUN, signedJoin, WAITING } from '#shared/testing/swarm-fixtures.ts'
import { joinAs, openRun, publish, putChunk } from './testing/loopback.ts'
import { ServerStand } from './testing/server-stand.ts'

let stand: ServerStand

const base = publishedVersion(0)
const first = publishedVersion(1)

beforeEach(async () => {
  stand = await ServerStand.start()
})

afterEach(() => stand.close())

async function refusedBy(auth: unknown): Promise<unknown> {
  return ((await stand.client(auth as Handshake).until('connect_error')) as { data: unknown }).data
}

/** Signed for no connection. */
const UNASKED = signedJoin(1, { server: 'elsewhere.example', challenge: '0'.repeat(64) })

const submission = { run: RUN, lease: 'l1', rollouts: [{ id: '0/0', version: 0, manifestHash: 'a'.repeat(64), prompt: 0, index: 0, seed: 'b'.repeat(64), tokens: [1], logProbs: [-1], finish: 'stop' }] }

describe('the swarm', () => {
  test('tabs join, are introduced, and pass signals; a version is announced, shared out and fetched', async () => {
    const trainer = await stand.openedTrainer()
    const [ada, bob] = [stand.client(), stand.client()]
    expect(await joinAs(ada, 1)).toMatchObject({ description: describedRun(), base: { manifest: base.manifest }, newest: { manifest: base.manifest } })
    await joinAs(bob, 2)
    expect(await bob.hear('introduction')).toEqual({ peer: peerName(1), initiator: true })
    expect(await ada.hear('introduction')).toEqual({ peer: peerName(2), initiator: false })
    bob.tell('signal', { to: peerName(1), data: '{"type":"offer"}' })
    expect(await ada.hear('signal')).toEqual({ from: peerName(2), data: '{"type":"offer"}' })

    await publish(stand.server.url, trainer, first)
    expect(await ada.hear('policy_announced')).toEqual({ manifest: first.manifest })
    expect(await bob.hear('policy_announced')).toEqual({ manifest: first.manifest })
    for (const [hash, bytes] of first.chunks) {
      expect(new Uint8Array(await (await fetch(`${stand.server.url}/chunks/${hash}`)).arrayBuffer())).toEqual(bytes)
    }
    ada.socket.disconnect()
    expect(await bob.hear('peer_gone')).toEqual({ peer: peerName(1) })
    expect(await trainer.hear('peer_left')).toEqual({ run: RUN, peer: peerName(1) })
  })

  test('a tab is told of the STUN and TURN servers, with a credential in its own name', async () => {
    await stand.restart({ ice: { stun: ['stun:s.example:3478'], turn: ['turn:t.example:3478'], turnSecret: 'a secret of the TURN server' } })
    await stand.openedTrainer()
    const { iceServers } = await joinAs(stand.client(), 1)
    const [, ends, peer] = /^(\d+):(.*)$/.exec(iceServers[1]!.username!)!
    expect(iceServers.map(({ urls }) => urls)).toEqual(['stun:s.example:3478', 'turn:t.example:3478'])
    expect(peer).toBe(peerName(1))
    expect(Math.abs(Number(ends) - Date.now() / 1000 - 3600)).toBeLessThan(60)
  })

  test('wishes, status and leases pass between tab and trainer; verdicts answer a submission', async () => {
    const trainer = await stand.openedTrainer()
    const ada = stand.client()
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
    await stand.restart({ verdictsWithinMs: 50 })
    const trainer = await stand.openedTrainer()
    const ada = stand.client()
    await joinAs(ada, 1)
    expect(await ada.ask('rollouts_submitted', submission)).toMatchObject({ code: 'no_trainer', detail: 'the trainer did not answer in time' })
    trainer.socket.once('rollouts_submitted', (_request, acknowledge) => acknowledge({ kind: 'verdicts', verdicts: 'all good' }))
    expect(await ada.ask('rollouts_submitted', submission)).toMatchObject({ code: 'no_trainer', detail: 'the trainer answered something else than verdicts' })
    trainer.socket.once('rollouts_submitted', () => trainer.socket.disconnect())
    expect(await ada.ask('rollouts_submitted', submission)).toMatchObject({ code: 'no_trainer' })
  })

  test('the feed reaches tabs and observers, also those who come later', async () => {
    const trainer = await stand.openedTrainer()
    const early = stand.client({ role: 'observer' })
    await early.hear('run_described')
    trainer.tell('run_feed', { run: RUN, feed: emptyFeed(5) })
    expect(await early.hear('run_feed')).toEqual(emptyFeed(5))
    expect(await stand.client({ role: 'observer', run: RUN }).hear('run_feed')).toEqual(emptyFeed(5))
    expect(await stand.client().hear('run_feed')).toEqual(emptyFeed(5))
  })

  test('a run whose trainer does not return is forgotten, chunks and all, and its tabs are told', async () => {
    await stand.restart({ forgetRunsAfterMs: 20 })
    const trainer = await stand.openedTrainer()
    expect(await trainer.ask('policy_published', { manifest: first.manifest })).toMatchObject({ kind: 'chunks_missing' })
    const ada = stand.client()
    await joinAs(ada, 1)
    trainer.socket.disconnect()
    expect(await ada.hear('refused')).toMatchObject({ code: 'unknown_run' })
    expect(await stand.chunkStatus(0)).toBe(404)
    const [[hash, bytes]] = [...first.chunks] as [[string, Uint8Array<ArrayBuffer>]]
    expect((await putChunk(stand.server.url, hash, bytes)).status).toBe(409)
    expect(await ada.ask('join', await ada.joinRequest(1))).toMatchObject({ code: 'unknown_run' })
  })

  test('after a restart everybody says it again and goes on', async () => {
    const trainer = await stand.openedTrainer()
    const ada = stand.client()
    await joinAs(ada, 1)
    const { port } = stand.server
    const [trainerLost, adaLost] = [trainer.until('disconnect'), ada.until('disconnect')]
    await stand.server.close()
    for (const told of [await ada.hear('bye'), await trainer.hear('bye')]) expect(told).toEqual({ retryAfterMs: expect.any(Number) })
    await Promise.all([trainerLost, adaLost])
    const back = [trainer.until('connect'), ada.until('connect')]
    await stand.startAgain({ port })
    await Promise.all(back)

    expect(await ada.ask('join', await ada.joinRequest(1))).toMatchObject({ code: 'unknown_run' })
    await openRun(trainer)
    await publish(stand.server.url, trainer, base)
    await ada.hear('run_described')
    await joinAs(ada, 1)
    expect(await trainer.hear('peer_joined')).toEqual({ run: RUN, peer: peerName(1) })
    ada.tell('work_wanted', { run: RUN, version: 0, rollouts: 1 })
    expect(await trainer.hear('work_wanted')).toMatchObject({ peer: peerName(1) })
  })
})

describe('who a peer is', () => {
  test('a join that was heard on its way is of no use on another socket; the page itself comes back on a new one and gets its place', async () => {
    await stand.openedTrainer()
    const [ada, thief] = [stand.client(), stand.client()]
    const heard = await ada.joinRequest(1)
    expect(await ada.ask('join', heard)).toMatchObject({ kind: 'welcome' })
    expect(await thief.ask('join', heard)).toMatchObject({ kind: 'refused', code: 'bad_signature' })
    expect(ada.socket.connected).toBe(true)

    const replaced = ada.until('disconnect')
    const again = stand.client()
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
    const statusFor = async (origin: string): Promise<number> => (await fetch(`${stand.server.url}/socket.io/?EIO=4&transport=polling`, { headers: { origin } })).status
    expect([await statusFor(stand.server.url), await statusFor('https://elsewhere.example'), await statusFor('null')]).toEqual([200, 403, 403])
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
    await stand.openedTrainer()
    const ada = stand.client()
    expect(await ada.ask(event, payload)).toMatchObject({ kind: 'refused', code })
    ada.tell(event, payload)
    expect(await ada.hear('refused')).toMatchObject({ kind: 'refused', code })
    await joinAs(ada, 1)
  })

  test('an observer sends nothing', async () => {
    expect(await stand.client({ role: 'observer' }).ask('peer_status', WAITING)).toMatchObject({ code: 'malformed' })
  })

  test('too many messages are refused by name; a flood closes its socket and no other', async () => {
    await stand.restart({ messageRate: { perSecond: 0.001, burst: 5 } })
    await stand.openedTrainer()
    const [flooding, calm] = [stand.client(), stand.client()]
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
    await stand.restart({ proxies: 1, socketRate: { perSecond: 0.001, burst: 2 } })
    const handshakeFrom = async (address: string): Promise<number> => (await fetch(`${stand.server.url}/socket.io/?EIO=4&transport=polling`, { headers: { 'x-forwarded-for': address } })).status
    const statuses = []
    for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2']) statuses.push(await handshakeFrom(address))
    expect(statuses).toEqual([200, 200, 403, 200])
    expect(await stand.metrics()).toContain('swarm_refusals_total{code="too_many_requests"} 1')
  })

  test('a frame above the limit closes its own socket only', async () => {
    const [large, calm] = [stand.client(), stand.client()]
    await Promise.all([large.until('connect'), calm.until('connect')])
    const closed = large.until('disconnect')
    large.tell('signal', 'x'.repeat(LIMITS.socketMessageBytes + 1))
    await closed
    expect(await calm.ask('join', {})).toMatchObject({ code: 'malformed' })
  })
})

describe('what an operator sees', () => {
  test('who is here, what was said and refused, and how long a signal took, without a name of anybody', async () => {
    await stand.openedTrainer()
    const [ada, bob] = [stand.client(), stand.client()]
    await joinAs(ada, 1)
    await joinAs(bob, 2)
    ada.tell('peer_status', WAITING)
    bob.tell('signal', { to: peerName(1), data: '{}' })
    await ada.hear('signal')
    bob.tell('signal', { to: peerName(9), data: '{}' })
    bob.tell('x'.repeat(100), {})
    for (const _ of ['unknown_peer', 'malformed']) await bob.hear('refused')
    const lines = await stand.metrics()
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
    await stand.restart({ connections: 1 })
    const status = async (path: string): Promise<unknown[]> => {
      const response = await fetch(stand.server.url + path)
      return [response.status, await response.json()]
    }
    expect(await status('/health/ready')).toEqual([200, { status: 'ready' }])
    await stand.client().hear('challenge')
    expect(await status('/health/ready')).toEqual([503, { status: 'full' }])
    expect(await status('/health')).toEqual([200, { status: 'ok', protocol: PROTOCOL_VERSION }])
    expect(await refusedBy({ role: 'observer' })).toMatchObject({ code: 'server_full' })
  })
})
