import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '#shared/protocol/limits.ts'
import { publishedVersion } from '#shared/testing/swarm-fixtures.ts'
import { openRun, publish, putChunk, TOKEN } from '../testing/loopback.ts'
import { ServerStand } from '../testing/server-stand.ts'

let stand: ServerStand

const base = publishedVersion(0)
const [baseHash] = base.chunks.keys() as unknown as [string]

beforeEach(async () => {
  stand = await ServerStand.start()
})

afterEach(() => stand.close())

async function refusal(response: Promise<Response>): Promise<unknown[]> {
  const { status } = await response
  return [status, ((await (await response).json()) as { code: string }).code]
}

describe('chunks over HTTP', () => {
  test('a chunk is sent whole or from an offset, and may be kept for ever', async () => {
    await stand.openedTrainer()
    const url = `${stand.server.url}/chunks/${baseHash}`
    const bytes = base.chunks.get(baseHash)!
    const whole = await fetch(url)
    expect(whole.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(new Uint8Array(await whole.arrayBuffer())).toEqual(bytes)
    const rest = await fetch(url, { headers: { range: 'bytes=4000-' } })
    expect([rest.status, rest.headers.get('content-range')]).toEqual([206, 'bytes 4000-4095/4096'])
    expect(new Uint8Array(await rest.arrayBuffer())).toEqual(bytes.slice(4000))
    expect((await fetch(url, { headers: { range: 'bytes=4096-' } })).status).toBe(416)
    expect((await fetch(url, { headers: { range: 'lines=1-2' } })).status).toBe(200)
    expect(await stand.metrics()).toContain(`swarm_link_io_bytes_total{direction="sent",path="origin"} ${2 * 4096 + 96}`)
    expect(await stand.metrics()).toContain('swarm_link_io_bytes_total{direction="received",path="origin"} 4096')
  })

  test('a put is refused without the token, when nobody expects it, when it is too large, and when it is something else', async () => {
    const trainer = stand.client({ role: 'trainer', token: TOKEN })
    await openRun(trainer)
    const bytes = base.chunks.get(baseHash)!
    expect(await refusal(putChunk(stand.server.url, baseHash, bytes))).toEqual([409, 'unknown_chunk'])
    expect(await trainer.ask('policy_published', { manifest: base.manifest })).toEqual({ kind: 'chunks_missing', hashes: [baseHash] })
    expect(await refusal(putChunk(stand.server.url, baseHash, bytes, 'guess'))).toEqual([401, 'unauthorised'])
    expect(await refusal(putChunk(stand.server.url, baseHash, new Uint8Array(LIMITS.chunkBytes + 1)))).toEqual([413, 'too_large'])
    expect(await refusal(putChunk(stand.server.url, baseHash, bytes.map(byte => byte ^ 1)))).toEqual([422, 'hash_mismatch'])
    expect(await refusal(putChunk(stand.server.url, baseHash, new Uint8Array(0)))).toEqual([422, 'hash_mismatch'])
    expect(await refusal(putChunk(stand.server.url, 'not-a-hash', bytes))).toEqual([400, 'malformed'])
    expect(await refusal(fetch(`${stand.server.url}/chunks/${baseHash}`))).toEqual([404, 'unknown_chunk'])
    expect(await trainer.ask('policy_published', { manifest: base.manifest })).toMatchObject({ kind: 'chunks_missing' })
    expect((await putChunk(stand.server.url, baseHash, bytes)).status).toBe(201)
    expect((await putChunk(stand.server.url, baseHash, bytes)).status).toBe(204)
    expect(await trainer.ask('policy_published', { manifest: base.manifest })).toEqual({ kind: 'announced' })
  })

  test('an address that had enough is told when to come back; others are served', async () => {
    await stand.restart({ proxies: 1, originRate: { perSecond: 0.01, burst: 4095 } })
    await stand.openedTrainer()
    const from = (address: string): Promise<Response> => fetch(`${stand.server.url}/chunks/${baseHash}`, { headers: { 'x-forwarded-for': address } })
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
    const trainer = await stand.openedTrainer()
    for (let version = 1; version <= 4; version++) await publish(stand.server.url, trainer, publishedVersion(version))
    expect(await Promise.all([0, 1, 2, 3, 4].map(version => stand.chunkStatus(version)))).toEqual([200, 404, 200, 200, 200])
  })
})

describe('the page and the models over HTTP', () => {
  test('one line says when the page is not built', async () => {
    const response = await fetch(`${stand.server.url}/`)
    expect(response.status).toBe(503)
    expect(await response.text()).toMatch(/^The page is not built: there is no .*index\.html\. Run "npm run build".*\n$/)
  })

  test('both routes are the page; files have their types and the headers of an isolated page', async () => {
    await mkdir(join(stand.root, 'dist', 'assets'), { recursive: true })
    await mkdir(join(stand.root, 'models', 'tiny'), { recursive: true })
    await writeFile(join(stand.root, 'dist', 'index.html'), '<!doctype html><title>page</title>')
    await writeFile(join(stand.root, 'dist', 'assets', 'ort.wasm'), 'wasm')
    await writeFile(join(stand.root, 'models', 'tiny', 'config.json'), '{}')
    for (const route of ['/', '/dashboard']) {
      const response = await fetch(stand.server.url + route)
      expect(await response.text()).toContain('<title>page</title>')
      expect(response.headers.get('cross-origin-opener-policy')).toBe('same-origin')
      expect(response.headers.get('cross-origin-embedder-policy')).toBe('require-corp')
      expect(response.headers.get('content-security-policy')).not.toMatch(/'unsafe-eval'|unsafe-inline/)
    }
    const wasm = await fetch(`${stand.server.url}/assets/ort.wasm`)
    expect([wasm.headers.get('content-type'), wasm.headers.get('cache-control')]).toEqual(['application/wasm', 'public, max-age=31536000, immutable'])
    expect(await (await fetch(`${stand.server.url}/models/tiny/config.json`)).json()).toEqual({})
    expect(await (await fetch(`${stand.server.url}/nowhere`)).json()).toMatchObject({ kind: 'refused', code: 'not_found' })
  })

  test.each(['/models/../secret.txt', '/models/%2e%2e/secret.txt', '/models/..%2fsecret.txt', '/assets/..%5c..%2fsecret.txt', '/%2e%2e/secret.txt', '/models/%00'])('%s reaches nothing outside', async path => {
    await mkdir(join(stand.root, 'models'), { recursive: true })
    await writeFile(join(stand.root, 'secret.txt'), 'a secret')
    // Written by hand: clients resolve dots before they ask.
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(stand.server.port, '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`))
      let text = ''
      socket.on('data', data => (text += data.toString()))
      socket.on('end', () => resolve(text))
      socket.on('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 40[034] /)
    expect(answer).not.toContain('a secret')
  })
})
